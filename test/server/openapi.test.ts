import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import express from 'express';
import request from 'supertest';
import { compareAnswer, documentedAnswers } from '../support/documented-answers.ts';
import { OPENAPI_FILE, openApiText } from '../support/openapi-file.ts';
import { setup } from './setup.ts';

describe('GET /api/v1/openapi.json', () => {
  it('gives the document without a token', async () => {
    await using server = await setup();
    const { body } = await server.agent.get('/api/v1/openapi.json').expect(200);
    expect(body).toEqual(JSON.parse(openApiText()));
  });
});

describe('docs/openapi.json', () => {
  it('is what the code makes; `npm run openapi` writes it anew', async () => {
    expect(await readFile(OPENAPI_FILE, 'utf8')).toBe(openApiText());
  });
});

describe('an answer that the document does not know', () => {
  const json = { 'content-type': 'application/json; charset=utf-8' };
  const problem = { 'content-type': 'application/problem+json' };
  const problemOf = (status: number) => ({
    ...{ type: 'about:blank', title: 't', status, code: 'request/x', detail: 'd' },
  });
  const good = {
    method: 'GET',
    path: '/healthz',
    status: 200,
    headers: json,
    body: { status: 'ok' },
  };

  it.each([
    { case: 'a path', answer: { ...good, path: '/new' }, error: /path is not documented/ },
    { case: 'a method', answer: { ...good, method: 'PUT' }, error: /method is not documented/ },
    { case: 'a status', answer: { ...good, status: 202 }, error: /is not documented/ },
    {
      case: 'a field',
      answer: { ...good, body: { status: 'ok', since: 1 } },
      error: /additional properties/,
    },
    { case: 'a value', answer: { ...good, body: { status: 'odd' } }, error: /constant/ },
    { case: 'a lacking field', answer: { ...good, body: {} }, error: /required/ },
    {
      case: 'a type',
      answer: { ...good, headers: { 'content-type': 'text/html' } },
      error: /got text\/html/,
    },
    {
      case: 'a problem without a code',
      answer: {
        ...good,
        path: '/new',
        status: 404,
        headers: problem,
        body: { ...problemOf(404), code: undefined },
      },
      error: /code/,
    },
    {
      case: 'a 503 that does not say when to come back',
      answer: {
        ...good,
        path: '/api/v1/releases',
        status: 503,
        headers: problem,
        body: problemOf(503),
      },
      error: /Retry-After/,
    },
  ])('fails the test that caused it: $case', ({ answer, error }) => {
    const check = documentedAnswers();
    expect(() => {
      check(answer);
    }).toThrow(error);
  });

  it('is told from those that it knows', () => {
    const check = documentedAnswers();
    check(good);
    check({ ...good, path: '/new', status: 404, headers: problem, body: problemOf(404) });
  });

  it.each([
    { path: '/healthz', isKnown: true },
    { path: '/metrics', isKnown: false },
  ])('is met by the client of this suite: $path', async ({ path, isKnown }) => {
    const app = express();
    app.get(/.*/, (_request, response) => {
      response.json({ status: 'ok' });
    });
    const answer = request.agent(app).use(compareAnswer).get(path).expect(200);
    const met = await answer.then(
      () => 'known',
      (error: Error) => error.message,
    );
    expect(met).toMatch(isKnown ? /^known$/ : /is documented as text\/plain/);
  });
});
