import { createDocument } from 'zod-openapi';
import { checkInAnswerSchema, checkInSchema } from '../../core/check-in.ts';
import { hostViewSchema } from '../../core/host-view.ts';
import { problemSchema } from '../../core/operator-api.ts';
import { releaseJsonSchema } from '../../core/release-view.ts';
import { rolloutViewSchema } from '../../core/rollout-view.ts';
import { eventSchemas } from '../../core/server-events.ts';
import { HOST_PATHS } from './host-paths.ts';
import { OPERATOR_PATHS } from './operator-paths.ts';

/** The whole HTTP interface as OpenAPI 3.1, made from the schemas that the routes themselves use. */
export function openApiDocument() {
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Tidegate',
      version: '1',
      description:
        'Check-ins of hosts, the repository, and the API of operators. Every error is a problem document (RFC 9457) ' +
        'whose `code` is stable. A path that is not here is 404, another method than those here is 405.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ token: [] }],
    paths: { ...HOST_PATHS, ...OPERATOR_PATHS },
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: "The operators' token, in the file `token` beside the state of the server.",
        },
      },
      schemas: {
        CheckIn: checkInSchema,
        Decision: checkInAnswerSchema,
        Host: hostViewSchema,
        Problem: problemSchema,
        Release: releaseJsonSchema,
        Rollout: rolloutViewSchema,
        EventCommit: eventSchemas.commit,
        EventJob: eventSchemas.job,
        EventReport: eventSchemas.report,
        EventReset: eventSchemas.reset,
        EventRollout: eventSchemas.rollout,
      },
    },
  });
}
