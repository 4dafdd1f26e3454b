import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startS3Proxy } from '../test/support/s3-proxies.ts';
import { startVersitygw } from '../test/support/versitygw.ts';
import { giveVerb, makeRepository, startRollout, startServer, stateUrl } from './bench-server.ts';
import type { BenchServer } from './bench-server.ts';
import { positive } from './options.ts';
import { scratchFolder, until } from './runs.ts';

const HOUR_SECONDS = 3600;

/**
 * The requests that a server sends to S3, counted by a proxy before a real S3 server: `idlePerHour`, counted for `--seconds` and
 * extrapolated, and `perVerb`, the mean over `--verbs` that are committed one by one.
 */
export async function benchS3(
  print: (line: string) => void,
  argv: readonly string[],
): Promise<object> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      seconds: { type: 'string', default: '60' },
      verbs: { type: 'string', default: '10' },
    },
  });
  const [seconds, verbs] = [
    positive('--seconds', values.seconds),
    positive('--verbs', values.verbs),
  ];
  await using folder = await scratchFolder();
  await using gateway = await startVersitygw();
  const counted = new Map<string, number>();
  await using proxy = await startS3Proxy(gateway.endpoint, ({ method }, forward) => {
    counted.set(method, (counted.get(method) ?? 0) + 1);
    return forward();
  });
  const { env } = gateway;
  await makeRepository(folder.path, { storage: { url: gateway.storageUrl('bench'), env } });
  await using server = await startServer(folder.path, {
    state: [stateUrl('S')],
    storage: { url: gateway.storageUrl('bench', proxy.endpoint), env },
  });
  const rolloutId = await startRollout(server);
  await untilCommits(server, 1);
  // Until the waves of the policy have opened, each of which is a commit.
  await sleep(5000);
  const since = () => {
    const seen = [...counted].map(([method, count]) => `${count} ${method}`).join(', ');
    const total = [...counted.values()].reduce((sum, count) => sum + count, 0);
    counted.clear();
    return { seen, total };
  };
  since();
  await sleep(seconds * 1000);
  const idle = since();
  print(`${idle.seen} in ${seconds} s without a verb`);
  const begun = performance.now();
  for (let verb = 0; verb < verbs; verb += 1) {
    const before = await commitsOf(server);
    await giveVerb(server, rolloutId, verb % 2 === 0 ? 'pause' : 'resume');
    await untilCommits(server, before + 1);
  }
  const busySeconds = (performance.now() - begun) / 1000;
  const busy = since();
  print(`${busy.seen} for ${verbs} verbs in ${busySeconds.toFixed(1)} s`);
  const ofVerbs = busy.total - (idle.total / seconds) * busySeconds;
  return {
    idlePerHour: Math.round((idle.total * HOUR_SECONDS) / seconds),
    perVerb: Math.round((ofVerbs / verbs) * 10) / 10,
  };
}

async function commitsOf({ port }: BenchServer): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^tidegate_commits_total (\d+)$/m.exec(text)?.[1]);
}

async function untilCommits(server: BenchServer, wanted: number): Promise<void> {
  await until(async () => (await commitsOf(server)) >= wanted, 10);
}
