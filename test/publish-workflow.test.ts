import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { compressFrameSync } from 'lz4-napi';
import { parse } from 'yaml';
import { z } from 'zod';
import { openSigner } from '../adapters/signing/open.ts';
import { openStorage } from '../adapters/storage/open.ts';
import { setup as startServer, TOKEN } from './server/setup.ts';
import { makeWorkplace } from './support/cli.ts';
import type { Workplace } from './support/cli.ts';
import { initRepository } from './support/small-repository.ts';

const WORKFLOW = join(import.meta.dirname, '..', '.github', 'workflows', 'publish-example.yml');

const variables = z.record(z.string(), z.string()).default({});
const stepSchema = z.strictObject({
  name: z.string().optional(),
  uses: z.string().optional(),
  with: z.record(z.string(), z.unknown()).default({}),
  env: variables,
  run: z.string().optional(),
});
const jobSchema = z.strictObject({
  needs: z.string().optional(),
  'runs-on': z.string(),
  'timeout-minutes': z.number(),
  environment: z.string().optional(),
  permissions: z.record(z.string(), z.string()),
  steps: z.array(stepSchema),
});
// Strict: a key that this test does not know, such as `secrets: inherit`, fails it.
const workflowSchema = z.strictObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions: z.record(z.string(), z.string()),
  concurrency: z.strictObject({ group: z.string(), 'cancel-in-progress': z.boolean() }),
  jobs: z.strictObject({ build: jobSchema, publish: jobSchema }),
});

async function readWorkflow() {
  const text = await readFile(WORKFLOW, 'utf8');
  const workflow = workflowSchema.parse(parse(text));
  const { build, publish } = workflow.jobs;
  return { text, workflow, build, publish, steps: [...build.steps, ...publish.steps] };
}

async function publishStep() {
  const { publish } = await readWorkflow();
  const step = publish.steps.at(-1);
  if (step?.run === undefined) throw new Error('the last step must be the script that publishes');
  return { script: step.run, env: step.env };
}

/** What the shell of a runner gives to `bin/tidegate`, without the first word. */
async function argumentsOf(
  script: string,
  { folder, env }: { readonly folder: string; readonly env: Readonly<Record<string, string>> },
): Promise<readonly string[]> {
  await mkdir(join(folder, 'bin'), { recursive: true });
  const program = join(folder, 'bin', 'tidegate');
  await writeFile(program, '#!/usr/bin/env bash\nprintf "%s\\0" "$@"\n');
  await chmod(program, 0o755);
  const shell = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script];
  const { stdout } = await promisify(execFile)('bash', shell, {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...env },
  });
  return stdout.split('\0').slice(0, -1);
}

/** A repository with a server on it and images where the workflow has them; the online key is gone. */
async function setup() {
  const resources = new AsyncDisposableStack();
  const workplace = resources.use(await makeWorkplace());
  const { folder } = workplace;
  await initRepository(workplace);
  await mkdir(join(folder, 'images'));
  for (const image of ['boot', 'root', 'hash']) {
    const bytes = compressFrameSync(Buffer.from(`${image} image`));
    await writeFile(join(folder, 'images', `${image}.lz4`), bytes);
  }
  const options = { cwd: folder, env: {} };
  const storage = resources.use(await openStorage('file:R', { access: 'write', ...options }));
  const online = resources.use(await openSigner('file:K/online.pem', options));
  const server = resources.use(
    await startServer({ storage, signers: [online], now: () => workplace.now }),
  );
  await rm(join(folder, 'K', 'online.pem'));
  return { workplace, server, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
}

/** Runs the script of the workflow as its last step would, with a key file where it names a KMS key. */
async function publishAsWritten(
  { workplace, server }: Pick<Awaited<ReturnType<typeof setup>>, 'workplace' | 'server'>,
  inputs: { readonly VERSION: string; readonly ROLLBACK_TO: string },
) {
  const { script, env } = await publishStep();
  const values = {
    ...inputs,
    VARIANT: 'aws-k8s-1.32',
    ARCH: 'x86_64',
    STORAGE: 'file:R',
    SERVER: server.url,
    RELEASE_KEY: 'file:K/release.pem',
    TIDEGATE_TOKEN: TOKEN,
  };
  expect(Object.keys(env).toSorted()).toEqual(Object.keys(values).toSorted());
  const argv = await argumentsOf(script, { folder: workplace.folder, env: values });
  workplace.env['TIDEGATE_TOKEN'] = values.TIDEGATE_TOKEN;
  return { argv, ran: await workplace.run(...argv) };
}

async function releasesOf(workplace: Workplace): Promise<unknown> {
  return JSON.parse(await workplace.must('release', 'list', 'file:R', '--json'));
}

/** Of a server, by its own count. */
async function routesAsked(agent: Awaited<ReturnType<typeof startServer>>['agent']) {
  const { text } = await agent.get('/metrics').expect(200);
  return new Set([...text.matchAll(/route="(\/api[^"]*)"/g)].map(([, route]) => route));
}

describe('the workflow that publishes', () => {
  it('starts by hand alone, so that no pull request can start it', async () => {
    const { workflow } = await readWorkflow();
    expect(Object.keys(workflow.on)).toEqual(['workflow_dispatch']);
  });

  it('gives no permission by default, and the identity token to the job that publishes alone', async () => {
    const { workflow, build, publish } = await readWorkflow();
    expect(workflow.permissions).toEqual({});
    expect(build.permissions).toEqual({ contents: 'read' });
    expect(publish.permissions).toEqual({ contents: 'read', 'id-token': 'write' });
  });

  it('asks for the identity token under the protection of an environment', async () => {
    const { build, publish } = await readWorkflow();
    expect([build.environment, publish.environment]).toEqual([undefined, 'release']);
  });

  it('lets the code of the build see no secret and no cloud', async () => {
    const { build } = await readWorkflow();
    expect(JSON.stringify(build)).not.toMatch(/secrets\.|github\.token|aws/i);
  });

  it('hands its one secret to the step that publishes and to no other', async () => {
    const { text, publish } = await readWorkflow();
    expect(text.match(/secrets\b/g)).toHaveLength(1);
    expect(publish.steps.at(-1)?.env['TIDEGATE_TOKEN']).toBe('${{ secrets.TIDEGATE_TOKEN }}');
  });

  it('runs actions at full commit hashes, beside the version that each is', async () => {
    const { text, steps } = await readWorkflow();
    const used = steps.flatMap(({ uses }) => uses ?? []);
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((name) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/.test(name))).toEqual([]);
    expect(text.match(/uses: \S+ # v\d+\.\d+\.\d+$/gm)).toHaveLength(used.length);
  });

  it('keeps what comes from outside out of the text of its scripts', async () => {
    const { steps } = await readWorkflow();
    expect(steps.filter(({ run }) => run?.includes('${{'))).toEqual([]);
  });

  it('leaves no token of the repository behind for the steps after a checkout', async () => {
    const { steps } = await readWorkflow();
    const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    expect(checkouts.map((step) => step.with['persist-credentials'])).toEqual([false, false]);
  });

  it('installs before there are credentials, and without the scripts of packages', async () => {
    const { publish } = await readWorkflow();
    const install = publish.steps.findIndex(({ run }) => run?.startsWith('npm '));
    const credentials = publish.steps.findIndex(({ uses }) =>
      uses?.startsWith('aws-actions/configure-aws-credentials@'),
    );
    expect(publish.steps[install]?.run).toBe('npm ci --omit=dev --ignore-scripts');
    expect(install).toBeLessThan(credentials);
    expect(credentials).toBe(publish.steps.length - 2);
  });

  it('takes credentials by the identity token, and stores none', async () => {
    const { publish } = await readWorkflow();
    expect(Object.keys(publish.steps.at(-2)?.with ?? {}).toSorted()).toEqual([
      'aws-region',
      'role-duration-seconds',
      'role-to-assume',
    ]);
  });

  it('signs in KMS', async () => {
    const { env } = await publishStep();
    expect(env['RELEASE_KEY']).toBe('aws-kms:${{ vars.RELEASE_KEY_ARN }}');
  });

  it('publishes with the command line that it has', async () => {
    await using world = await setup();
    const first = await publishAsWritten(world, { VERSION: '1.0.0', ROLLBACK_TO: '' });
    expect([first.ran.code, first.argv.includes('--rollback-to')]).toEqual([0, false]);
    const second = await publishAsWritten(world, { VERSION: '1.1.0', ROLLBACK_TO: '1.0.0' });
    expect(second.ran.code).toBe(0);
    expect(await releasesOf(world.workplace)).toMatchObject({
      releases: [
        { version: '1.0.0', rollbackTo: [] },
        { version: '1.1.0', rollbackTo: ['1.0.0'] },
      ],
    });
    expect(await routesAsked(world.server.agent)).toEqual(
      new Set(['/api/v1/repository/refresh', '/api/v1/repository/commit']),
    );
  });

  it.each(['1.0.0 --dry-run', '$(touch hacked)', '1.0.0"; touch hacked; "'])(
    'takes the input %j for a version, and refuses it',
    async (version) => {
      await using world = await setup();
      const { argv, ran } = await publishAsWritten(world, { VERSION: version, ROLLBACK_TO: '' });
      expect(argv[argv.indexOf('--version') + 1]).toBe(version);
      expect(ran.code).toBe(1);
      expect(await readdir(world.workplace.folder)).not.toContain('hacked');
    },
  );
});
