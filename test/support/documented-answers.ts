import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Response, Test } from 'supertest';
import { z } from 'zod';
import { openApiDocument } from '../../server/openapi/document.ts';

/** What a client was sent. */
export type Answer = {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Parsed JSON where the answer is that. */
  readonly body: unknown;
};

/** As much of an OpenAPI document as is looked at here. */
const documentSchema = z.looseObject({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        responses: z.record(
          z.string(),
          z.object({
            headers: z.record(z.string(), z.unknown()).optional(),
            content: z.record(z.string(), z.unknown()).optional(),
          }),
        ),
      }),
    ),
  ),
});

const DOCUMENT = 'https://tidegate.example/openapi.json';
/** What a path or a method that is not documented is answered with. */
const UNKNOWN_PATH = [400, 401, 404];
const UNKNOWN_METHOD = [401, 405];

/** Compares answers with the OpenAPI document: what is not in it fails, by path, method, status, header, type or field. */
export function documentedAnswers(): (answer: Answer) => void {
  const document = documentSchema.parse(openApiDocument());
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
  addFormats.default(ajv);
  ajv.addSchema(document, DOCUMENT);
  const validate = (pointer: readonly string[], body: unknown, what: string) => {
    const path = pointer.map((key) =>
      encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1')),
    );
    const check = ajv.getSchema(`${DOCUMENT}#/${path.join('/')}`);
    if (check === undefined) throw new Error(`${what}: no schema at ${pointer.join(' ')}`);
    if (check(body) !== true) {
      throw new Error(`${what} does not fit the OpenAPI document: ${ajv.errorsText(check.errors)}`);
    }
  };

  return ({ method, path, status, headers, body }) => {
    const what = `${method} ${path}: ${status}`;
    const problem = (allowed: readonly number[], why: string) => {
      if (!allowed.includes(status)) throw new Error(`${what}, but ${why}`);
      validate(['components', 'schemas', 'Problem'], body, what);
    };
    // A path is found whatever its case, and with a slash at its end.
    const template = findPath(Object.keys(document.paths), path.toLowerCase().replace(/\/$/, ''));
    if (template === undefined) {
      problem(UNKNOWN_PATH, 'the path is not documented');
      return;
    }
    const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
    const operation = document.paths[template]?.[verb];
    if (operation === undefined) {
      problem(UNKNOWN_METHOD, `the method is not documented for ${template}`);
      return;
    }
    const response = operation.responses[String(status)];
    if (response === undefined) throw new Error(`${what} is not documented for ${template}`);
    for (const name of Object.keys(response.headers ?? {})) {
      if (headers[name.toLowerCase()] === undefined) throw new Error(`${what} lacks ${name}`);
    }
    if (method === 'HEAD') return;
    const [type = ''] = (headers['content-type'] ?? '').split(';');
    if (response.content === undefined) {
      const length = headers['content-length'] ?? '0';
      if (length !== '0') throw new Error(`${what} is documented as empty, got ${length} bytes`);
      return;
    }
    if (!Object.hasOwn(response.content, type)) {
      throw new Error(
        `${what} is documented as ${Object.keys(response.content).join()}, got ${type}`,
      );
    }
    if (!/[/+]json$/.test(type)) return;
    const at = ['paths', template, verb, 'responses', String(status), 'content', type, 'schema'];
    validate(at, body, what);
  };
}

let compare: ((answer: Answer) => void) | undefined;

/** For supertest's `use`: every answer that a test sees fails it if the document does not know it. */
export function compareAnswer(test: Test): void {
  test.expect(({ status, headers, body }: Response) => {
    compare ??= documentedAnswers();
    compare({ method: test.method, path: new URL(test.url).pathname, status, headers, body });
  });
}

/** An answer to `fetch`, compared like that. */
export async function documented(method: string, answer: globalThis.Response) {
  const headers = Object.fromEntries(answer.headers);
  const isJson = /[/+]json/.test(headers['content-type'] ?? '');
  const body: unknown = isJson ? await answer.clone().json() : null;
  compare ??= documentedAnswers();
  compare({ method, path: new URL(answer.url).pathname, status: answer.status, headers, body });
  return answer;
}

/** The literal path if there is one, else the template that it fits. */
function findPath(templates: readonly string[], path: string): string | undefined {
  if (templates.includes(path)) return path;
  return templates.find((template) =>
    new RegExp(`^${template.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(
      path,
    ),
  );
}
