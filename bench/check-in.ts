import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { benchHost } from './bench-fleet.ts';
import type { HostKind } from './bench-fleet.ts';
import { makeHosts, makeRepository, startRollout, startServer, stateUrl } from './bench-server.ts';
import { startLoad } from './load.ts';
import type { LoadGenerator } from './load.ts';
import { positive } from './options.ts';
import { cpuMs, firstLine, rssMiB, SERVER_CORE, startPinned } from './pinned-process.ts';
import type { Pinned } from './pinned-process.ts';
import { median, rounded, scratchFolder } from './runs.ts';

const BARE = join(import.meta.dirname, 'bare-child.ts');
const CONNECTIONS = 32;
const FEW_HOSTS = 1000;
/** Requests until the code of a server is compiled as well as it will be. */
const WARM_UP = 100_000;
const MILLION = 1_000_000;

type Target = {
  readonly name: string;
  readonly server: Pinned & { readonly port: number };
  readonly hosts: number;
  readonly kind: HostKind;
};

type Slice = {
  readonly perSecond: number;
  readonly p99Ms: number;
  /** Time on its core that the server took for one request. */
  readonly serverUs: number;
  readonly loadShare: number;
};

/**
 * Check-ins against a bare server on the same core, in turn: `throughputRatio` (ours over theirs) and `p99Ratio` with
 * `--hosts` known; `growthAt1M`, the time of the core for one check-in with `--most` hosts known over that with 1,000;
 * `heldVsIdle`, the same of a host that waits over one that is up to date; `writtenVsKnown`, the same of hosts that are
 * seen for the first time and so written down, over those of which nothing new is learnt; the memory that known hosts take.
 */
export async function benchCheckIn(
  print: (line: string) => void,
  argv: readonly string[],
): Promise<object> {
  const options = optionsOf(argv);
  await using folder = await scratchFolder();
  const cwd = folder.path;
  await using stack = new AsyncDisposableStack();
  const load = stack.use(await startLoad(cwd));
  const { targets, few, most } = await startTargets(cwd, stack, options, print);
  const firstVisitUs: number[] = [];
  for (const { server, hosts } of [targets.known, targets.few, targets.most]) {
    // Every host once, so that all are known to the process too, and its code is compiled.
    firstVisitUs.push(await visitAll(load, server, hosts));
  }
  const slices = new Map(Object.keys(targets).map((name) => [name, [] as Slice[]]));
  for (let round = 0; round < options.rounds; round += 1) {
    for (const target of Object.values(targets)) {
      const slice = await sliceOf(load, target, options.sliceMs);
      slices.get(target.name)?.push(slice);
    }
    print(`round ${round + 1} of ${options.rounds}`);
  }
  const of = (name: string, value: keyof Slice) =>
    (slices.get(name) ?? []).map((slice) => slice[value]);
  for (const [name, list] of slices) print(describe(name, list));
  const writtenUs = firstVisitUs.at(-1) ?? NaN;
  print(`first visits ${writtenUs.toFixed(1)} us each, written to the database`);
  const ratio = (value: keyof Slice, over: string, under: string) => {
    const below = of(under, value);
    return rounded(median(of(over, value).map((one, index) => one / (below[index] ?? NaN))));
  };
  const grown = rssMiB(most) - rssMiB(few);
  return {
    throughputRatio: ratio('perSecond', 'known', 'bare'),
    p99Ratio: ratio('p99Ms', 'known', 'bare'),
    growthAt1M: ratio('serverUs', 'most', 'few'),
    heldVsIdle: ratio('serverUs', 'held', 'idle'),
    writtenVsKnown: rounded(writtenUs / median(of('most', 'serverUs'))),
    rssMiBPerMillion: Math.round((grown * MILLION) / (options.most - FEW_HOSTS)),
  };
}

async function startTargets(
  cwd: string,
  stack: AsyncDisposableStack,
  { hosts, most }: Options,
  print: (line: string) => void,
) {
  await makeRepository(cwd);
  for (const [name, count] of Object.entries({ known: hosts, few: FEW_HOSTS, most })) {
    print(`writing ${count} hosts into the database`);
    await makeHosts(cwd, name, count);
  }
  const known = stack.use(await startServer(cwd, { state: [stateUrl('known')] }));
  await startRollout(known);
  // Until half of the fleet is let through.
  await sleep(2500);
  const few = stack.use(await startServer(cwd, { state: [stateUrl('few')] }));
  const many = stack.use(await startServer(cwd, { state: [stateUrl('most')] }));
  const answer = await answerOf(known.port);
  const bare = await startBare(cwd, stack, 'bare', answer);
  const constant = await startBare(cwd, stack, 'constant', answer);
  const on = (name: string, server: Target['server'], count: number, kind: HostKind = 'mix') => ({
    ...{ name, server, hosts: count, kind },
  });
  return {
    few,
    most: many,
    targets: {
      constant: on('constant', constant, hosts),
      bare: on('bare', bare, hosts),
      known: on('known', known, hosts),
      few: on('few', few, FEW_HOSTS),
      most: on('most', many, most),
      idle: on('idle', known, hosts, 'idle'),
      held: on('held', known, hosts, 'held'),
    },
  };
}

async function startBare(cwd: string, stack: AsyncDisposableStack, kind: string, answer: string) {
  const pinned = stack.use(startPinned(SERVER_CORE, [BARE, kind, answer], { cwd }));
  return { ...pinned, port: Number(await firstLine(pinned)) };
}

/** What the real server answers a host, to be answered by the others too. */
async function answerOf(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/check-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ host: benchHost(1), state: 'idle' }),
  });
  return answer.text();
}

/** Returns the time on its core that the server took for one request. */
async function visitAll(load: LoadGenerator, server: Target['server'], hosts: number) {
  const work = { unit: 'requests', amount: Math.max(hosts, WARM_UP) } as const;
  const before = cpuMs(server);
  const { port } = server;
  const order = { port, hosts, kind: 'mix', connections: CONNECTIONS, work } as const;
  const { requests } = await load.run(order);
  return ((cpuMs(server) - before) * 1000) / requests;
}

async function sliceOf(load: LoadGenerator, target: Target, sliceMs: number): Promise<Slice> {
  const { server, hosts, kind } = target;
  const before = cpuMs(server);
  const result = await load.run({
    ...{ port: server.port, hosts, kind, connections: CONNECTIONS },
    work: { unit: 'ms', amount: sliceMs },
  });
  return {
    perSecond: (result.requests * 1000) / result.ms,
    p99Ms: result.p99Ms,
    serverUs: ((cpuMs(server) - before) * 1000) / result.requests,
    loadShare: result.cpuMs / result.ms,
  };
}

function describe(name: string, slices: readonly Slice[]): string {
  const of = (value: keyof Slice) => median(slices.map((slice) => slice[value]));
  return [
    `${name.padEnd(8)} ${of('perSecond').toFixed(0).padStart(6)} check-ins/s`,
    `p99 ${of('p99Ms').toFixed(2)} ms`,
    `server ${of('serverUs').toFixed(1)} us each`,
    `generator busy ${(of('loadShare') * 100).toFixed(0)} %`,
  ].join(', ');
}

type Options = {
  readonly hosts: number;
  readonly most: number;
  readonly rounds: number;
  readonly sliceMs: number;
};

function optionsOf(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      hosts: { type: 'string', default: '100000' },
      most: { type: 'string', default: '1000000' },
      rounds: { type: 'string', default: '9' },
      seconds: { type: 'string', default: '3' },
    },
  });
  return {
    hosts: positive('--hosts', values.hosts),
    most: positive('--most', values.most),
    rounds: positive('--rounds', values.rounds),
    sliceMs: positive('--seconds', values.seconds) * 1000,
  };
}
