import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openS3Storage } from '../../adapters/storage/s3.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { isSelected, S3_FAULTS } from '../support/s3-faults.ts';
import type { S3Fault, S3Selection } from '../support/s3-faults.ts';
import { startS3Proxy } from '../support/s3-proxies.ts';
import { ONLINE, PLATFORM, writeImages } from '../support/small-repository.ts';
import { startVersitygw } from '../support/versitygw.ts';
import type { Versitygw } from '../support/versitygw.ts';

const ANSWER_MS = 1000;
const TIMESTAMP: S3Selection = { method: 'PUT', ending: '/timestamp.json' };
const SNAPSHOT: S3Selection = { method: 'PUT', ending: '.snapshot.json' };
const IMAGE: S3Selection = { method: 'PUT', ending: '-root.zst' };
const READ_TIMESTAMP: S3Selection = { method: 'GET', ending: '/timestamp.json' };
const READ_ROLE: S3Selection = { method: 'GET', ending: '.targets.json' };

type Case = {
  readonly fault: S3Fault;
  readonly on: S3Selection;
  /** How many requests it meets. */
  readonly times: number;
  readonly code: number;
};

const FOR_GOOD = 1000;

let gateway: Versitygw;
let workplace: Workplace;
let prefixes = 0;

beforeAll(async () => {
  gateway = await startVersitygw();
  workplace = await makeWorkplace();
  workplace.now = new Date();
  workplace.openStorage = (url, options) =>
    openS3Storage({ ...options, url, answerMs: ANSWER_MS, env: gateway.env });
  for (const name of ['root', 'online', 'release']) {
    await workplace.must('key', 'new', '--type', 'ed25519', '--out', `K/${name}.pem`);
  }
  await writeImages(workplace, 'first');
});

afterAll(async () => {
  await workplace[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
});

function publish(url: string, version: string): readonly string[] {
  return [
    ...['publish', url, ...PLATFORM, '--version', version, '--image', 'root=r.img.zst'],
    ...['--release-key', 'file:K/release.pem', ...ONLINE],
  ];
}

/** A repository with release 1.0.0, behind a proxy whose fault meets the chosen requests. */
async function setup({ fault, on, times }: Omit<Case, 'code'>) {
  prefixes += 1;
  let left = 0;
  const proxy = await startS3Proxy(gateway.endpoint, async (request, forward) => {
    if (left === 0 || !isSelected(request, on)) return forward();
    left -= 1;
    return S3_FAULTS[fault](request, forward);
  });
  const direct = gateway.storageUrl(`faulty-${prefixes}`);
  await workplace.must(
    ...[
      'repo',
      'init',
      direct,
      '--root-key',
      'file:K/root.pem',
      '--targets-key',
      'file:K/root.pem',
    ],
    ...[...ONLINE, '--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
  );
  await workplace.must(...publish(direct, '1.0.0'));
  return {
    direct,
    faulty: gateway.storageUrl(`faulty-${prefixes}`, proxy.endpoint),
    begin: () => {
      left = times;
    },
    /** Whether the fault met anything. */
    met: () => left < times,
    end: () => {
      left = 0;
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

async function versionsIn(url: string): Promise<readonly string[]> {
  const { releases } = JSON.parse(await workplace.must('repo', 'status', url, '--json'));
  return releases.map(({ version }: { readonly version: string }) => version);
}

/** As an operator sees it: it worked, or there is one error that is no bug, with the right exit code. */
function expectOneOutcome(ran: { readonly code: number; readonly stderr: string }, code: number) {
  expect([ran.code, ran.code === code ? '' : ran.stderr]).toEqual([code, '']);
  expect(ran.stderr.match(/^tidegate: error: /gm) ?? []).toHaveLength(code === 0 ? 0 : 1);
  expect(ran.stderr).not.toContain('this is a bug');
}

describe('publish to a store that fails', () => {
  it.each<Case>([
    { fault: 'an answer 500', on: IMAGE, times: 1, code: 0 },
    { fault: 'an answer 500', on: IMAGE, times: FOR_GOOD, code: 1 },
    { fault: 'an answer 500', on: TIMESTAMP, times: 1, code: 0 },
    { fault: 'an answer 500', on: TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'an answer 503 SlowDown', on: SNAPSHOT, times: 2, code: 0 },
    { fault: 'an answer 503 SlowDown', on: SNAPSHOT, times: FOR_GOOD, code: 1 },
    { fault: 'an answer 403', on: IMAGE, times: FOR_GOOD, code: 1 },
    { fault: 'an answer 403', on: TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'a reset connection', on: SNAPSHOT, times: 1, code: 0 },
    { fault: 'a reset connection', on: TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'no byte at all', on: SNAPSHOT, times: 1, code: 0 },
    { fault: 'no byte at all', on: TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'no byte at all', on: READ_TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'half a body', on: READ_TIMESTAMP, times: 1, code: 1 },
    { fault: 'half a body', on: READ_ROLE, times: FOR_GOOD, code: 1 },
    { fault: 'a body shorter than its length', on: READ_ROLE, times: FOR_GOOD, code: 1 },
    { fault: 'a length shorter than the body', on: READ_ROLE, times: FOR_GOOD, code: 1 },
    { fault: 'a lost answer', on: IMAGE, times: 1, code: 0 },
    { fault: 'a lost answer', on: SNAPSHOT, times: FOR_GOOD, code: 0 },
    { fault: 'a lost answer', on: TIMESTAMP, times: 1, code: 0 },
    { fault: 'a lost answer', on: TIMESTAMP, times: FOR_GOOD, code: 0 },
    { fault: 'a refusal of what it did', on: SNAPSHOT, times: FOR_GOOD, code: 0 },
    { fault: 'a refusal of what it did', on: TIMESTAMP, times: FOR_GOOD, code: 0 },
  ])('$fault to $on.method *$on.ending, $times times: exit $code', async ({ code, ...order }) => {
    await using store = await setup(order);
    store.begin();
    const ran = await workplace.run(...publish(store.faulty, '1.1.0'));
    expect(store.met()).toBe(true);
    store.end();
    expectOneOutcome(ran, code);
    expect(await versionsIn(store.direct)).toEqual(code === 0 ? ['1.0.0', '1.1.0'] : ['1.0.0']);
    await workplace.must('repo', 'verify', store.direct);
    await workplace.must(...publish(store.faulty, '1.1.0'));
    expect(await versionsIn(store.direct)).toEqual(['1.0.0', '1.1.0']);
    await workplace.must('repo', 'verify', store.direct);
  });
});

describe('refresh in a store that fails', () => {
  it.each<Case>([
    { fault: 'an answer 500', on: TIMESTAMP, times: 2, code: 0 },
    { fault: 'an answer 503 SlowDown', on: TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'an answer 403', on: SNAPSHOT, times: FOR_GOOD, code: 1 },
    { fault: 'a reset connection', on: TIMESTAMP, times: 1, code: 0 },
    { fault: 'no byte at all', on: SNAPSHOT, times: FOR_GOOD, code: 1 },
    { fault: 'half a body', on: READ_TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'a length shorter than the body', on: READ_TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'a lost answer', on: TIMESTAMP, times: FOR_GOOD, code: 0 },
    { fault: 'a refusal of what it did', on: TIMESTAMP, times: 1, code: 0 },
  ])('$fault to $on.method *$on.ending, $times times: exit $code', async ({ code, ...order }) => {
    await using store = await setup(order);
    const argv = ['repo', 'refresh', store.faulty, '--key', 'file:K/online.pem'];
    store.begin();
    const ran = await workplace.run(...argv);
    expect(store.met()).toBe(true);
    store.end();
    expectOneOutcome(ran, code);
    expect(await versionsIn(store.direct)).toEqual(['1.0.0']);
    await workplace.must('repo', 'verify', store.direct);
    await workplace.must(...argv);
    await workplace.must('repo', 'verify', store.direct);
  });
});

describe('reading from a store that fails', () => {
  it.each<Case>([
    { fault: 'an answer 500', on: READ_ROLE, times: 1, code: 0 },
    { fault: 'an answer 500', on: READ_ROLE, times: FOR_GOOD, code: 1 },
    { fault: 'an answer 503 SlowDown', on: READ_TIMESTAMP, times: 2, code: 0 },
    { fault: 'an answer 503 SlowDown', on: READ_TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'an answer 403', on: READ_TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'a reset connection', on: READ_ROLE, times: 1, code: 0 },
    { fault: 'a reset connection', on: READ_ROLE, times: FOR_GOOD, code: 1 },
    { fault: 'no byte at all', on: READ_ROLE, times: FOR_GOOD, code: 1 },
    { fault: 'half a body', on: READ_ROLE, times: FOR_GOOD, code: 1 },
    { fault: 'a body shorter than its length', on: READ_TIMESTAMP, times: FOR_GOOD, code: 1 },
    { fault: 'a length shorter than the body', on: READ_TIMESTAMP, times: FOR_GOOD, code: 1 },
  ])('$fault to $on.method *$on.ending, $times times: exit $code', async ({ code, ...order }) => {
    await using store = await setup(order);
    store.begin();
    const ran = await workplace.run('repo', 'status', store.faulty, '--json');
    expect(store.met()).toBe(true);
    expectOneOutcome(ran, code);
    store.end();
    await workplace.must('repo', 'status', store.faulty, '--json');
  });
});
