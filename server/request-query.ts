import type { Request } from 'express';
import type { z } from 'zod';
import { invalidRequest } from './request-body.ts';

/** The query as the schema has it. Throws `request/invalid`, naming what is wrong and where. */
export function parseQuery<T>(request: Request, schema: z.ZodType<T>): T {
  const result = schema.safeParse({ ...request.query });
  if (result.success) return result.data;
  throw invalidRequest(result.error);
}
