import { z } from 'zod';
import { ExpectedError } from '../core/errors.ts';
import type { Problem } from '../core/operator-api.ts';

/** Why the server does not start, or does not work as it should. */
export class ServerError extends ExpectedError<
  /** The address cannot be listened on. */
  | 'server/address'
  /** The file of the operators' token is unusable. */
  | 'server/token'
  /** The given keys may not sign what the server has to sign. */
  | 'server/key'
  /** A verb in the outbox cannot be read. */
  | 'server/outbox'
  /** The clock of the machine jumped. */
  | 'server/clock'
> {}

/** What is wrong with a request, when nothing deeper down says it better. */
export class RequestError extends ExpectedError<
  | 'request/invalid'
  | 'request/encoding'
  | 'request/media-type'
  | 'request/too-large'
  | 'request/method'
  | 'request/not-there'
  | 'request/unauthorized'
  /** The operator has no right to this. */
  | 'request/forbidden'
  /** The request id was used for something else before. */
  | 'request/conflict'
  /** The request was accepted before, but was not legal any more when its turn to be committed came. */
  | 'request/rejected'
  /** Neither the repository nor any rollout knows this variant on this arch. */
  | 'request/unknown-platform'
  /** The cursor of a page is broken, or belongs to another search. */
  | 'request/cursor'
  /** As many clients as the server takes follow its events already, or it is about to stop. */
  | 'request/events'
  | 'request/header-too-large'
  /** The client took too long to send its request. */
  | 'request/timeout'
> {}

/** Why a role file that was signed elsewhere is not published. */
export class CommitError extends ExpectedError<
  /** Only releases roles that are delegated are committed for others. */
  | 'commit/role'
  /** The storage holds no such file. */
  | 'commit/not-there'
  /** The file is not the one that was announced, or hosts would not believe it. */
  | 'commit/file'
  /** The file lists a target that was never uploaded. */
  | 'commit/target'
  /** A release document cannot be read, or does not fit to what is listed beside it. */
  | 'commit/document'
  /** A published image would get other bytes. */
  | 'commit/exists'
  /** A release would vanish that a rollout gives to hosts. */
  | 'commit/in-use'
> {}

const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  'request/media-type': 415,
  'request/too-large': 413,
  'request/method': 405,
  'request/not-there': 404,
  'request/unauthorized': 401,
  'request/forbidden': 403,
  'request/conflict': 409,
  'request/rejected': 409,
  'request/unknown-platform': 404,
  'request/events': 503,
  'request/header-too-large': 431,
  'request/timeout': 408,
  'commit/role': 400,
  'commit/not-there': 404,
  'commit/exists': 409,
  'commit/in-use': 409,
  'repository/moved-on': 409,
  'tuf/profile': 422,
  'rollout/not-there': 404,
  'rollout/other-rules': 412,
  'rollout/reason': 400,
  'release/not-published': 404,
  'release/withdrawn': 409,
  'storage/not-there': 404,
  'state/conflict': 409,
};

/** What the codes of an area mean unless they are listed above; of other areas a failure is a bug. */
const STATUS_BY_AREA: Readonly<Record<string, number>> = {
  request: 400,
  json: 400,
  instant: 400,
  duration: 400,
  fleet: 400,
  wave: 400,
  version: 400,
  commit: 422,
  rollout: 409,
  state: 503,
  storage: 503,
  repository: 503,
  tuf: 503,
  manifest: 503,
  release: 503,
  signing: 503,
};

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** The one place where errors become HTTP answers. What is not foreseen tells the caller nothing but that. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ExpectedError) {
    const [area = ''] = error.code.split('/');
    const status = STATUS_BY_CODE[error.code] ?? STATUS_BY_AREA[area];
    if (status !== undefined) return problem(status, error);
  }
  const foreign = requestErrorOf(error);
  if (foreign !== null) return problemOf(foreign);
  return problem(500, { code: 'server/bug', message: 'the server failed', hints: [] });
}

function problem(
  status: number,
  { code, message, hints }: Pick<ExpectedError, 'code' | 'message' | 'hints'>,
): Problem {
  return {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    code,
    detail: message,
    ...(hints.length === 0 ? {} : { hints: [...hints] }),
  };
}

/** Errors that Express and its body parser make of a request: they carry a status, and some a type. */
const foreignSchema = z.object({
  status: z.int().min(400).max(499),
  type: z.string().optional(),
  limit: z.number().optional(),
});

function requestErrorOf(error: unknown): RequestError | null {
  const result = foreignSchema.safeParse(error);
  if (!result.success) return null;
  const { status, limit } = result.data;
  const options = { cause: error };
  switch (status) {
    case 413:
      return new RequestError('request/too-large', `the body may have ${limit} bytes`, options);
    case 415:
      return new RequestError('request/media-type', 'the body must not be encoded', options);
    default:
      return new RequestError('request/invalid', 'the request cannot be read', options);
  }
}
