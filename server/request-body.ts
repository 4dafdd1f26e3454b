import type { IncomingHttpHeaders } from 'node:http';
import express from 'express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import { parseJson } from '../core/json.ts';
import { RequestError } from './errors.ts';

const JSON_TYPE = 'application/json';
const MAX_DETAIL = 1000;
const MAX_ISSUES = 5;
const UTF_8 = new TextDecoder('utf-8', { fatal: true });

/** Reads a JSON body of at most `limitBytes`, to be given to `parseBody`; refuses other media types and encodings. */
export function jsonBody(limitBytes: number): readonly RequestHandler[] {
  return [requireJson, express.raw({ type: () => true, limit: limitBytes, inflate: false })];
}

/** The body as the schema has it. Throws JsonError or `request/invalid`, naming what is wrong and where. */
export function parseBody<T>({ body }: { readonly body?: unknown }, schema: z.ZodType<T>): T {
  return parseBytes(Buffer.isBuffer(body) ? body : Buffer.alloc(0), schema);
}

/** As `parseBody`; what `isPlain` takes needs no schema. */
export function parseBytes<T>(
  bytes: Uint8Array,
  schema: z.ZodType<T>,
  isPlain: (value: unknown) => value is T = (_value): _value is T => false,
): T {
  const value = parseJson(textOf(bytes));
  if (isPlain(value)) return value;
  const result = schema.safeParse(value);
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
  refuseOtherMedia(request.headers);
  next();
}

/** Throws `request/media-type` unless the body is said to be JSON. */
export function refuseOtherMedia(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'] ?? '';
  if (type === JSON_TYPE || type.split(';')[0]?.trim().toLowerCase() === JSON_TYPE) return;
  throw new RequestError('request/media-type', 'the body must be application/json', {
    hints: ['send the header content-type: application/json'],
  });
}

function textOf(bytes: Uint8Array): string {
  try {
    return UTF_8.decode(bytes);
  } catch (cause) {
    throw new RequestError('request/encoding', 'the body must be UTF-8', { cause });
  }
}
