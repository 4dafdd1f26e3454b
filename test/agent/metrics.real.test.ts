import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { metricsText } from '../../agent/metrics.ts';
import { runCycle } from '../../agent/cycle.ts';
import { provision } from '../../agent/provision.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';

/** What Prometheus' own tool says about a text of figures: how it reads, and what its naming guidelines ask for. */
async function promtool(text: string) {
  const child = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const said: string[] = [];
  child.stdout.on('data', (chunk) => said.push(String(chunk)));
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  child.stdin.end(text);
  await once(child, 'close');
  return { exitCode: child.exitCode, said: said.join('') };
}

test('the figures of a host read well to Prometheus, and follow its guidelines for names', async () => {
  await using world = await hostWorld();
  await provision(await world.agent(), '1.0.0');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  const context = await world.agent();
  const { bytesFetched } = await runCycle(context);
  const nowMs = world.now.getTime();
  const text = await metricsText(context, {
    ...{ cycles: { updated: 1, failed: 2 }, bytesFetched, lastResult: 'updated' },
    ...{ lastMs: nowMs, lastGoodMs: nowMs },
  });
  await expect(promtool(text)).resolves.toEqual({ exitCode: 0, said: '' });
  const broken = await promtool(`${text}tidegate_agent_broken{ 1\n`);
  expect(broken.exitCode).not.toBe(0);
});
