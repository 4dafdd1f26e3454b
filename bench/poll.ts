import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeRepository, startServer } from './bench-server.ts';
import { OLD_VERSION } from './bench-fleet.ts';
import { measureProgram } from './measured-process.ts';
import { positive } from './options.ts';
import { writeAgentConfig } from './packaged-agent.ts';
import { childrenOf, cpuMs, LOAD_CORE, rssMiB, startProgram } from './pinned-process.ts';
import { median, rounded, scratchFolder, until } from './runs.ts';

const ROOT = join(import.meta.dirname, '..');
const BUILT = join(ROOT, 'dist/bin/tidegate.js');

/** Polls until the code of the agent is compiled and its memory is what it stays. */
const WARM_UP = 10;
const LOOK_MS = 100;

/**
 * A host with nothing to do, once a second, through a proxy that counts: `requests` and `bytes` (both ways, headers included)
 * of a poll, `cpuMsPerPoll` and `rssIdleMiB` of the agent that stays; `onceMs` from start to exit of `agent once`, and its
 * ratio to a Node that does nothing. `--agent` is another program to measure than the built one, such as a packaged agent.
 */
export async function benchPoll(
  print: (line: string) => void,
  argv: readonly string[],
): Promise<object> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      polls: { type: 'string', default: '60' },
      runs: { type: 'string', default: '9' },
      agent: { type: 'string' },
    },
  });
  const polls = positive('--polls', values.polls);
  const runs = positive('--runs', values.runs);
  if (values.agent === undefined) await measureProgram(ROOT, 'npm', ['run', '--silent', 'build']);
  const program =
    values.agent === undefined ? [process.execPath, BUILT, 'agent'] : [values.agent, 'agent'];
  await using folder = await scratchFolder();
  const cwd = folder.path;
  await makeRepository(cwd);
  await using server = await startServer(cwd, {
    state: ['sqlite:state.db'],
    more: ['--check-in-interval', '1 second'],
  });
  await using proxy = await countingProxy(server.port);
  const config = await writeAgentConfig(cwd, proxy.port);
  const [file = '', ...args] = program;
  const agent = (verb: string, ...more: readonly string[]) => [
    ...args,
    ...[verb, '--config', config, ...more],
  ];
  await measureProgram(cwd, file, agent('provision', '--version', OLD_VERSION));
  await dropFromPageCache(cwd, file);
  const stays = await whileItStays(
    () => startProgram(LOAD_CORE, [file, ...agent('run')], { cwd, isQuiet: true }),
    {
      polls,
      proxy,
      print,
    },
  );
  const ours: number[] = [];
  const bare: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    ours.push(await measureProgram(cwd, file, agent('once')));
    bare.push(await measureProgram(cwd, process.execPath, ['-e', '0']));
  }
  print(
    `once ${median(ours).toFixed(0)} ms, a Node that does nothing ${median(bare).toFixed(0)} ms`,
  );
  return {
    ...stays,
    onceMs: Math.round(median(ours)),
    onceVsNode: rounded(median(ours) / median(bare)),
  };
}

/** As after a boot: of a file that was just written, more at a time would be mapped into whoever runs it. */
async function dropFromPageCache(cwd: string, file: string): Promise<void> {
  await measureProgram(cwd, 'sync', [file]);
  await measureProgram(cwd, 'dd', [`if=${file}`, 'iflag=nocache', 'count=0']);
}

async function whileItStays(
  start: () => ReturnType<typeof startProgram>,
  {
    polls,
    proxy,
    print,
  }: {
    readonly polls: number;
    readonly proxy: CountingProxy;
    readonly print: (line: string) => void;
  },
) {
  await using daemon = start();
  const reach = (requests: number) => until(async () => proxy.count.requests >= requests, LOOK_MS);
  await reach(proxy.count.requests + WARM_UP);
  const before = { ...proxy.count, cpu: cpuMs(daemon) };
  const started = performance.now();
  for (let poll = 1; poll <= polls; poll += 1) await reach(before.requests + poll);
  const seconds = (performance.now() - started) / 1000;
  // Between two polls: what it started for the last one has ended.
  await until(async () => childrenOf(daemon).length === 0, 1);
  const perPoll = (value: number) => rounded(value / polls);
  const result = {
    requests: perPoll(proxy.count.requests - before.requests),
    bytes: Math.round((proxy.count.bytes - before.bytes) / polls),
    rssIdleMiB: Math.round(rssMiB(daemon)),
    cpuMsPerPoll: perPoll(cpuMs(daemon) - before.cpu),
  };
  print(`${polls} polls in ${seconds.toFixed(0)} s: ${JSON.stringify(result)}`);
  return result;
}

type CountingProxy = AsyncDisposable & {
  readonly port: number;
  readonly count: { requests: number; bytes: number };
};

/** Counts what goes over its connections, and the requests among it. */
async function countingProxy(target: number): Promise<CountingProxy> {
  const count = { requests: 0, bytes: 0 };
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    open.add(client).add(upstream);
    client.on('data', (chunk: Buffer) => {
      count.bytes += chunk.length;
      count.requests += chunk.toString('latin1').match(/ HTTP\/1\.1\r\n/g)?.length ?? 0;
    });
    upstream.on('data', (chunk: Buffer) => {
      count.bytes += chunk.length;
    });
    client.pipe(upstream).on('error', () => client.destroy());
    upstream.pipe(client).on('error', () => upstream.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    ...{ count, port: address.port },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
