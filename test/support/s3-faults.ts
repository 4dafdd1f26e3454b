import { errorAnswer } from './s3-proxies.ts';
import type { S3Answer, S3Behaviour, S3Request } from './s3-proxies.ts';

/** What can go wrong between a program and its store, each for one request. */
export const S3_FAULTS = {
  'an answer 500': async () => errorAnswer(500, 'InternalError'),
  'an answer 503 SlowDown': async () => errorAnswer(503, 'SlowDown'),
  'an answer 403': async () => errorAnswer(403, 'AccessDenied'),
  'a reset connection': async () => 'reset',
  'no byte at all': () => new Promise<never>(() => {}),
  'half a body': async (_, forward) => {
    const answer = await forward();
    return { ...answer, body: half(answer.body), cutOff: true };
  },
  'a body shorter than its length': async (_, forward) => {
    const answer = await forward();
    return withLength(answer, answer.body.length + 10);
  },
  'a length shorter than the body': async (_, forward) => {
    const answer = await forward();
    return withLength(answer, Math.floor(answer.body.length / 2));
  },
  'a lost answer': async (_, forward) => {
    await forward();
    return 'reset';
  },
  'a refusal of what it did': async (_, forward) => {
    await forward();
    return errorAnswer(412, 'PreconditionFailed');
  },
} satisfies Record<string, S3Behaviour>;

export type S3Fault = keyof typeof S3_FAULTS;

/** Which requests a fault meets: those of this method for objects whose name ends so. */
export type S3Selection = { readonly method: string; readonly ending: string };

export function isSelected({ method, url }: S3Request, selection: S3Selection): boolean {
  return method === selection.method && url.pathname.endsWith(selection.ending);
}

function half(body: Buffer): Buffer {
  return body.subarray(0, Math.floor(body.length / 2));
}

function withLength(answer: S3Answer, length: number): S3Answer {
  return {
    ...answer,
    headers: { ...answer.headers, 'content-length': String(length) },
    cutOff: true,
  };
}
