import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { checkInAnswerSchema, checkInSchema } from '../../core/check-in.ts';
import {
  latestQuerySchema,
  releaseJsonSchema,
  releaseListSchema,
  releaseQuerySchema,
} from '../../core/release-view.ts';
import { readinessSchema } from '../readiness.ts';
import { body, content, empty, json, problems } from './answers.ts';

const OPEN: [] = [];
const file = z.object({ name: z.string() });

/** What hosts, probes and everybody else may ask without a token. */
export const HOST_PATHS: ZodOpenApiPathsObject = {
  '/api/v1/check-in': {
    post: {
      summary: "A host's poll: who it is, what it runs, how its last update went",
      security: OPEN,
      requestBody: body(checkInSchema),
      responses: {
        ...json(200, 'a hint: the signed repository decides', checkInAnswerSchema),
        ...problems(400, 404, 413, 415, 503),
      },
    },
  },
  '/api/v1/releases': {
    get: {
      summary: 'What is published, by variant, arch and version',
      security: OPEN,
      requestParams: { query: releaseQuerySchema },
      responses: { ...json(200, 'releases', releaseListSchema), ...problems(400, 503) },
    },
  },
  '/api/v1/releases/latest': {
    get: {
      summary: 'What a new host of this variant and arch begins with',
      security: OPEN,
      requestParams: { query: latestQuerySchema },
      responses: { ...json(200, 'a release', releaseJsonSchema), ...problems(400, 404, 503) },
    },
  },
  '/api/v1/openapi.json': {
    get: {
      summary: 'This document',
      security: OPEN,
      responses: { ...json(200, 'OpenAPI 3.1', z.record(z.string(), z.unknown())), ...problems() },
    },
  },
  '/repo/metadata/{name}': {
    get: {
      summary: 'Signed metadata: `timestamp.json` and `N.<role>.json`',
      security: OPEN,
      requestParams: { path: file },
      responses: {
        ...json(200, 'the file', z.record(z.string(), z.unknown())),
        ...partial('application/json'),
      },
    },
  },
  '/repo/targets/{name}': {
    get: {
      summary: 'A target under `<sha256>.<name>`, whole or a range of it',
      security: OPEN,
      requestParams: { path: file },
      responses: {
        ...content(200, 'the file', 'application/octet-stream'),
        ...partial('application/octet-stream'),
      },
    },
  },
  '/healthz': {
    get: {
      summary: 'Whether the process is alive',
      security: OPEN,
      responses: {
        ...json(200, 'it is', z.object({ status: z.literal('ok') })),
        ...problems(),
      },
    },
  },
  '/readyz': {
    get: {
      summary: 'Whether all is well, and what is not; polls are answered in any case',
      security: OPEN,
      responses: {
        ...problems(),
        ...json(200, 'all is well', readinessSchema),
        ...json(503, 'something is not', readinessSchema),
      },
    },
  },
  '/metrics': {
    get: {
      summary: 'Figures for Prometheus',
      security: OPEN,
      responses: { ...content(200, 'text format', 'text/plain'), ...problems() },
    },
  },
};

function partial(type: string) {
  return {
    ...content(206, 'the range that was asked for', type),
    ...empty(304, 'the client has it'),
    ...empty(416, 'the range is not in the file'),
    ...problems(404, 503),
  };
}
