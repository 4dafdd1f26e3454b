import express from 'express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import { parseJson } from '../core/json.ts';
import { RequestError } from './errors.ts';

const MAX_DETAIL = 1000;
const MAX_ISSUES = 5;

/** Reads a JSON body of at most `limitBytes`, to be given to `parseBody`; refuses other media types and encodings. */
export function jsonBody(limitBytes: number): readonly RequestHandler[] {
  return [requireJson, express.raw({ type: () => true, limit: limitBytes, inflate: false })];
}

/** The body as the schema has it. Throws JsonError or `request/invalid`, naming what is wrong and where. */
export function parseBody<T>(request: Request, schema: z.ZodType<T>): T {
  const result = schema.safeParse(parseJson(textOf(request)));
  if (result.success) return result.data;
  throw invalidRequest(result.error);
}

/** What is wrong with what a client sent, and where. */
export function invalidRequest(error: z.ZodError): RequestError {
  const issues = error.issues.slice(0, MAX_ISSUES).map(({ path, message }) => {
    const where = path.map(String).join('.');
    return where === '' ? message : `${where}: ${message}`;
  });
  return new RequestError('request/invalid', issues.join('; ').slice(0, MAX_DETAIL));
}

function requireJson(request: Request, _response: Response, next: NextFunction): void {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() === 'application/json') {
    next();
    return;
  }
  throw new RequestError('request/media-type', 'the body must be application/json', {
    hints: ['send the header content-type: application/json'],
  });
}

function textOf({ body }: { readonly body?: unknown }): string {
  if (!Buffer.isBuffer(body)) return '';
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw new RequestError('request/encoding', 'the body must be UTF-8', { cause });
  }
}
