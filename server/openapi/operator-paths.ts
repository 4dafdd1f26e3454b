import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { groupListSchema } from '../../core/group-view.ts';
import { hostAnswerSchema, hostPageSchema, hostQuerySchema } from '../../core/host-view.ts';
import {
  applyFleetRequestSchema,
  auditPageSchema,
  auditQuerySchema,
  changeRequestSchema,
  commitAnswerSchema,
  commitRequestSchema,
  fleetAnswerSchema,
  refreshAnswerSchema,
  rollBackImpactRequestSchema,
  rollBackRequestSchema,
  rolloutListSchema,
  startRequestSchema,
} from '../../core/operator-api.ts';
import { rolloutViewSchema } from '../../core/rollout-view.ts';
import { eventSchemas } from '../../core/server-events.ts';
import { SIMPLE_VERBS } from '../../core/verb.ts';
import { wayBackImpactSchema } from '../../core/way-back-impact.ts';
import { whySchema } from '../../core/why.ts';
import { body, content, json, problems } from './answers.ts';

const id = z.object({ id: z.string() });
const changed = {
  ...json(200, 'the rollout with the verb in force', rolloutViewSchema),
  ...problems(400, 401, 404, 409, 413, 415, 503),
};

const CHANGE_PATHS: ZodOpenApiPathsObject = Object.fromEntries(
  SIMPLE_VERBS.map((verb) => [
    `/api/v1/rollouts/{id}/${verb}`,
    {
      post: {
        summary: `The verb ${verb}`,
        requestParams: { path: id },
        requestBody: body(changeRequestSchema),
        responses: changed,
      },
    },
  ]),
);

/** What operators ask with their token. */
export const OPERATOR_PATHS: ZodOpenApiPathsObject = {
  '/api/v1/rollouts': {
    get: {
      summary: 'All rollouts, the oldest first',
      responses: { ...json(200, 'rollouts', rolloutListSchema), ...problems(401) },
    },
    post: {
      summary: 'The verb start',
      requestBody: body(startRequestSchema),
      responses: {
        201: {
          description: 'the rollout',
          headers: {
            Location: {
              required: true,
              description: 'its path',
              schema: { type: 'string' },
            },
          },
          content: { 'application/json': { schema: rolloutViewSchema } },
        },
        ...problems(400, 401, 404, 409, 413, 415, 503),
      },
    },
  },
  '/api/v1/rollouts/{id}': {
    get: {
      summary: 'A rollout: its tide, its hosts, its history',
      requestParams: { path: id },
      responses: { ...json(200, 'the rollout', rolloutViewSchema), ...problems(400, 401, 404) },
    },
  },
  ...CHANGE_PATHS,
  '/api/v1/rollouts/{id}/roll-back': {
    post: {
      summary: 'The verb roll back',
      requestParams: { path: id },
      requestBody: body(rollBackRequestSchema),
      responses: changed,
    },
  },
  '/api/v1/rollouts/{id}/roll-back/impact': {
    post: {
      summary: 'What the verb roll back would do to which hosts; nothing is done',
      requestParams: { path: id },
      requestBody: body(rollBackImpactRequestSchema),
      responses: {
        ...json(
          200,
          'the hosts that run the release, by what would become of them',
          wayBackImpactSchema,
        ),
        ...problems(400, 401, 404, 409, 413, 415, 503),
      },
    },
  },
  '/api/v1/groups': {
    get: {
      summary: 'The groups of the fleet: their rules, their hosts, and what is under way in them',
      description: 'Every known host is looked at, a few at a time: do not ask every second.',
      responses: { ...json(200, 'groups', groupListSchema), ...problems(401, 503) },
    },
  },
  '/api/v1/hosts': {
    get: {
      summary: 'Hosts by what they are and where they stand',
      description: 'A page as JSON; all that fit as CSV, for `Accept: text/csv` or `format=csv`.',
      requestParams: { query: hostQuerySchema },
      responses: {
        200: {
          description: 'hosts, in ascending order of id',
          content: {
            ...json(200, '', hostPageSchema)[200]?.content,
            ...content(200, '', 'text/csv')[200]?.content,
          },
        },
        ...problems(400, 401, 503),
      },
    },
  },
  '/api/v1/hosts/{id}': {
    get: {
      summary: 'What is known of a host, and what it would be told now and why',
      requestParams: { path: id },
      responses: { ...json(200, 'the host', hostAnswerSchema), ...problems(400, 401, 404, 503) },
    },
  },
  '/api/v1/audit': {
    get: {
      summary: 'The audit log, the oldest entry first',
      requestParams: { query: auditQuerySchema },
      responses: {
        ...json(200, 'entries and the head of the log', auditPageSchema),
        ...problems(400, 401, 503),
      },
    },
  },
  '/api/v1/fleet': {
    get: {
      summary: 'The rules of the fleet, and who made them so',
      responses: { ...json(200, 'the rules', fleetAnswerSchema), ...problems(401) },
    },
    put: {
      summary:
        'Replace the rules of the fleet as a whole; with the ETag of some as If-Match, those and no others',
      requestParams: { header: z.object({ 'If-Match': z.string().optional() }) },
      requestBody: body(applyFleetRequestSchema),
      responses: {
        ...json(200, 'the rules in force', fleetAnswerSchema),
        ...problems(400, 401, 409, 412, 413, 415, 503),
      },
    },
  },
  '/api/v1/hosts/{id}/why': {
    get: {
      summary: 'Why a host is told what it is told: every rule in order',
      requestParams: { path: id },
      responses: {
        ...json(200, 'the rules and their verdicts', whySchema),
        ...problems(400, 401, 404, 503),
      },
    },
  },
  '/api/v1/events': {
    get: {
      summary: 'What happens, as it happens: server-sent events',
      description:
        `Events: ${Object.keys(eventSchemas).join(', ')}; the data of each is the schema Event of its name. With the ` +
        'header `Last-Event-ID` the stream begins with what happened since, or with one `reset` if that is not known.',
      requestParams: { header: z.object({ 'Last-Event-ID': z.string().optional() }) },
      responses: {
        ...content(200, 'a stream without end', 'text/event-stream'),
        ...problems(401, 503),
      },
    },
  },
  '/api/v1/repository/refresh': {
    post: {
      summary: 'Look now for what others committed',
      responses: { ...json(200, 'what is known now', refreshAnswerSchema), ...problems(401, 503) },
    },
  },
  '/api/v1/repository/commit': {
    post: {
      summary: 'Publish a role file that whoever holds a release key stored',
      requestBody: body(commitRequestSchema),
      responses: {
        ...json(200, 'the versions that are published now', commitAnswerSchema),
        ...problems(400, 401, 404, 409, 413, 415, 422, 503),
      },
    },
  },
};
