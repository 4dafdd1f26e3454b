import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { openSigner } from '../adapters/signing/open.ts';
import { openStorage } from '../adapters/storage/open.ts';
import { setup as startServer, TOKEN } from './server/setup.ts';
import { makeWorkplace } from './support/cli.ts';
import { errorAnswer, startS3Proxy } from './support/s3-proxies.ts';
import type { S3Request } from './support/s3-proxies.ts';
import { ONLINE, PLATFORM } from './support/small-repository.ts';
import { startVersitygw } from './support/versitygw.ts';
import type { Versitygw } from './support/versitygw.ts';

const DOCUMENT = join(import.meta.dirname, '..', 'docs', 'ci.md');
/** The place that the policy speaks of. */
const DOCUMENTED = 'updates/repo';

const listOf = z.union([z.string().transform((text) => [text]), z.array(z.string())]);
const policySchema = z.strictObject({
  Version: z.literal('2012-10-17'),
  Statement: z.array(
    z.strictObject({
      Sid: z.string(),
      Effect: z.literal('Allow'),
      Action: listOf,
      Resource: listOf,
      // No other operator: what is not understood here would be taken for allowed.
      Condition: z
        .strictObject({
          StringLike: z.record(z.string(), z.string()).default({}),
          Null: z.record(z.string(), z.enum(['true', 'false'])).default({}),
          Bool: z.record(z.string(), z.enum(['true', 'false'])).default({}),
        })
        .partial()
        .default({}),
    }),
  ),
});
type Policy = z.infer<typeof policySchema>;

/** What a request asks of IAM; by the list of actions of Amazon S3. */
type Question = {
  readonly action: string;
  readonly resource: string;
  readonly facts: Readonly<Record<string, string>>;
};

async function documentedPolicy(): Promise<Policy> {
  const text = await readFile(DOCUMENT, 'utf8');
  const blocks = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json = '']) => JSON.parse(json));
  return policySchema.parse(blocks.find((block) => JSON.stringify(block).includes('kms:Sign')));
}

/** `*` stands for any characters, slashes too. */
function isLike(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[^\w]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

function statementFor(policy: Policy, { action, resource, facts }: Question): string | null {
  const found = policy.Statement.find(
    ({ Action, Resource, Condition: { StringLike = {}, Null = {}, Bool = {} } }) =>
      Action.includes(action) &&
      Resource.some((pattern) => isLike(pattern, resource)) &&
      Object.entries(StringLike).every(([key, pattern]) => isLike(pattern, facts[key] ?? '')) &&
      Object.entries(Null).every(([key, isNull]) => String(facts[key] === undefined) === isNull) &&
      Object.entries(Bool).every(([key, value]) => facts[key] === value),
  );
  return found?.Sid ?? null;
}

function questionsOf({ method, url, headers }: S3Request): readonly Question[] {
  const [, bucket = '', key = ''] = /^\/([^/]+)\/?(.*)$/s.exec(decodeURI(url.pathname)) ?? [];
  const parameters = url.searchParams;
  const ask = (action: string, facts: Question['facts'] = {}, path = `${bucket}/${key}`) => ({
    action: `s3:${action}`,
    resource: `arn:aws:s3:::${path}`,
    facts,
  });
  if (key === '') {
    return parameters.has('uploads')
      ? [ask('ListBucketMultipartUploads', {}, bucket)]
      : [ask('ListBucket', { 's3:prefix': parameters.get('prefix') ?? '' }, bucket)];
  }
  if (method === 'DELETE') {
    return [ask(parameters.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject')];
  }
  if (method === 'GET' || method === 'HEAD') return [ask('GetObject')];
  const source = headers['x-amz-copy-source'];
  const condition = headers['if-none-match'];
  return [
    ask('PutObject', {
      's3:ObjectCreationOperation': String(
        !parameters.has('partNumber') && !parameters.has('uploads'),
      ),
      ...(condition === undefined ? {} : { 's3:if-none-match': condition }),
    }),
    ...(typeof source === 'string' ? [ask('GetObject', {}, decodeURI(source))] : []),
  ];
}

let gateway: Versitygw;
let runs = 0;

beforeAll(async () => {
  gateway = await startVersitygw();
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

/** A repository with a server in a bucket, and a way into the bucket that allows what the policy allows. */
async function setup() {
  const resources = new AsyncDisposableStack();
  const workplace = resources.use(await makeWorkplace());
  Object.assign(workplace.env, gateway.env, { TIDEGATE_TOKEN: TOKEN });
  runs += 1;
  const prefix = `policy-${runs}`;
  const direct = gateway.storageUrl(prefix);
  for (const name of ['root', 'online', 'release', 'other']) {
    await workplace.must('key', 'new', '--type', 'ed25519', '--out', `K/${name}.pem`);
  }
  await workplace.must(
    ...['repo', 'init', direct, '--root-key', 'file:K/root.pem'],
    ...['--targets-key', 'file:K/root.pem', '--online-key', 'file:K/online.pem'],
    ...['--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
    ...['--release-key', 'metal:x86_64=file:K/other.pem'],
  );
  // Larger than what goes in one put, so that it is staged and copied.
  await writeFile(join(workplace.folder, 'root.img'), randomBytes(400_000));
  await writeFile(join(workplace.folder, 'boot.img'), 'boot image');
  const options = { cwd: workplace.folder, env: gateway.env };
  const storage = resources.use(await openStorage(direct, { access: 'write', ...options }));
  const online = resources.use(await openSigner('file:K/online.pem', { ...options, env: {} }));
  const server = resources.use(
    await startServer({ storage, signers: [online], now: () => workplace.now }),
  );
  const policy = JSON.parse(
    JSON.stringify(await documentedPolicy())
      .replaceAll(`:::${DOCUMENTED}/`, `:::${gateway.bucket}/${prefix}/`)
      .replaceAll(':::updates"', `:::${gateway.bucket}"`)
      .replaceAll('"repo/', `"${prefix}/`),
  );
  const used = new Set<string>();
  const denied: string[] = [];
  const proxy = resources.use(
    await startS3Proxy(gateway.endpoint, async (request, forward) => {
      const allowed = questionsOf(request).map((question) => {
        const sid = statementFor(policy, question);
        if (sid === null) denied.push(`${question.action} ${question.resource}`);
        else used.add(sid);
        return sid !== null;
      });
      if (allowed.includes(false)) return errorAnswer(403, 'AccessDenied');
      const answer = await forward();
      // S3 tells who may not list everything that a key is missing by the same 403.
      return answer.status === 404 ? errorAnswer(403, 'AccessDenied') : answer;
    }),
  );
  const url = gateway.storageUrl(prefix, proxy.endpoint);
  const publish = (...argv: readonly string[]) =>
    workplace.run(
      ...['publish', url, '--image', 'root=root.img', '--image', 'boot=boot.img', ...argv],
    );
  return {
    workplace,
    direct,
    publish,
    policy,
    used,
    denied,
    serverUrl: server.url,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

describe('the policy of docs/ci.md', () => {
  it('allows what publishing asks of a bucket, and nothing that it does not ask', async () => {
    await using world = await setup();
    const ran = await world.publish(
      ...[...PLATFORM, '--version', '1.0.0', '--release-key', 'file:K/release.pem'],
      ...['--server', world.serverUrl],
    );
    expect([ran.code, ran.stderr.includes('error')]).toEqual([0, false]);
    // Tidying up after others is tried and may fail.
    expect(new Set(world.denied)).toEqual(
      new Set([`s3:ListBucketMultipartUploads arn:aws:s3:::${gateway.bucket}`]),
    );
    const sids = world.policy.Statement.map(({ Sid }: { Sid: string }) => Sid);
    expect(sids.filter((sid: string) => !world.used.has(sid))).toEqual(['SignWithTheReleaseKey']);
    const report = JSON.parse(await world.workplace.must('repo', 'verify', world.direct, '--json'));
    expect(report).toMatchObject({ targets: 4, failures: [] });
  });

  it('does not let a thief of the online key commit', async () => {
    await using world = await setup();
    const ran = await world.publish(
      ...[...PLATFORM, '--version', '1.0.0', '--release-key', 'file:K/release.pem', ...ONLINE],
    );
    expect(ran.code).toBe(1);
    expect(world.denied.at(-1)).toContain('s3:PutObject');
    const out = await world.workplace.must('release', 'list', world.direct, '--json');
    expect(JSON.parse(out).releases).toEqual([]);
  });

  it('does not let files of another platform in', async () => {
    await using world = await setup();
    const ran = await world.publish(
      ...['--variant', 'metal', '--arch', 'x86_64', '--version', '1.0.0'],
      ...['--release-key', 'file:K/other.pem', '--server', world.serverUrl],
    );
    expect(ran.code).toBe(1);
    expect(world.denied.at(-1)).toContain('metal-x86_64-1.0.0');
  });

  it.each([
    {
      case: 'replace a published image',
      action: 's3:PutObject',
      key: 'targets/0.aws-k8s-1.32-x86_64-1.0.0-root',
    },
    {
      case: 'delete a published image',
      action: 's3:DeleteObject',
      key: 'targets/0.aws-k8s-1.32-x86_64-1.0.0-root',
    },
    { case: 'replace the timestamp', action: 's3:PutObject', key: 'metadata/timestamp.json' },
    { case: 'add a root', action: 's3:PutObject', key: 'metadata/2.root.json' },
  ])('does not let anybody $case', async ({ action, key }) => {
    const policy = await documentedPolicy();
    const resource = `arn:aws:s3:::${DOCUMENTED}/${key}`;
    const put = { 's3:ObjectCreationOperation': 'true' };
    const facts = key.startsWith('targets/') ? put : { ...put, 's3:if-none-match': '*' };
    expect(statementFor(policy, { action, resource, facts })).toBeNull();
  });
});
