import { join } from 'node:path';
import type { AgentContext } from '../context.ts';
import { flooredTime } from '../tuf/floor.ts';
import { TrustedStore } from '../tuf/trusted-store.ts';
import { bad, good, warning } from './check.ts';
import type { Check } from './check.ts';

const NOTICED_MS = 60_000;
const TOLERATED_MS = 10 * 60_000;

/**
 * The clock against the latest time that this host has seen, and against the server's. Expiry is judged by it: one that is
 * behind believes what has expired, one that is ahead believes nothing. Throws `agent/clock`.
 */
export async function checkClock(
  { config, now }: Pick<AgentContext, 'config' | 'now'>,
  serverDate: Date | null,
): Promise<readonly Check[]> {
  const clock = now();
  const { floor } = await new TrustedStore(join(config.stateFolder, 'tuf')).read();
  flooredTime(clock, floor);
  if (serverDate === null) {
    return [good('clock', 'not before what this host has seen; no server to compare with')];
  }
  const aheadMs = clock.getTime() - serverDate.getTime();
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const message = `${seconds} s ${aheadMs >= 0 ? 'ahead of' : 'behind'} the server's`;
  const advice = 'set the clock, and have a time service keep it';
  if (Math.abs(aheadMs) > TOLERATED_MS) return [bad('clock', message, advice)];
  return Math.abs(aheadMs) > NOTICED_MS
    ? [warning('clock', message, advice)]
    : [good('clock', message)];
}
