import { HOUR_MS, rankOf } from './policy.ts';

/** The groups that hosts declare themselves to be of; which of them have rules is the fleet's matter. */
export const GROUPS = ['canary', 'late', 'careful'] as const;

/** Rules of the fleet, as few of each kind as make a difference. */
export type RulesSpec = {
  readonly groups: readonly (typeof GROUPS)[number][];
  readonly pin: { readonly host: string; readonly version: string } | null;
  readonly exclude: string | null;
  readonly deadEnd: string | null;
  /** Of everybody, or of one group. */
  readonly freeze: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly group: string | null;
  } | null;
};

export const NO_RULES: RulesSpec = {
  groups: [],
  pin: null,
  exclude: null,
  deadEnd: null,
  freeze: null,
};

/** How far `late` hosts follow behind. */
export const LATE_MS = 6 * HOUR_MS;
/** `careful` hosts take nothing from here on, and only in this part of the day, ways back included. */
const TOO_NEW = '1.3.0';
const OPENS_HOUR = 22;
const CLOSES_HOUR = 4;

/** As the file of rules spells them, in JSON. */
export function rulesJson(rules: RulesSpec): Record<string, unknown> {
  const { pin, exclude, deadEnd, freeze } = rules;
  const groups = {
    canary: { name: 'canary', first: true },
    late: { name: 'late', delay: '6 hours' },
    careful: {
      name: 'careful',
      versions: `<${TOO_NEW}`,
      rollback: 'waits',
      windows: [
        {
          days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
          ...{ from: '22:00', to: '04:00', time_zone: 'UTC' },
        },
      ],
    },
  };
  const listed =
    freeze !== null && freeze.group !== null && !rules.groups.some((name) => name === freeze.group);
  return {
    groups: [
      ...rules.groups.map((name) => groups[name]),
      ...(listed ? [{ name: freeze.group }] : []),
    ],
    ...(pin === null ? {} : { pins: { [pin.host]: pin.version } }),
    ...(exclude === null ? {} : { excludes: { [exclude]: 'left alone' } }),
    ...(deadEnd === null ? {} : { dead_ends: [{ versions: deadEnd, reason: 'no way out' }] }),
    ...(freeze === null
      ? {}
      : {
          freezes: [
            {
              from: new Date(freeze.fromMs).toISOString(),
              to: new Date(freeze.toMs).toISOString(),
              reason: 'frozen',
              ...(freeze.group === null ? {} : { groups: [freeze.group] }),
            },
          ],
        }),
  };
}

/** Whether hosts of this group do not take the version. */
export function isTooNew(group: string | null, version: string): boolean {
  return group === 'careful' && rankOf(version) >= rankOf(TOO_NEW);
}

export type MovingHost = {
  readonly id: string;
  readonly version: string;
  readonly group: string | null;
};

/** Whether the rules keep a host from this step, whatever the tide is. */
export function isHeld(
  rules: RulesSpec,
  { id, version, group }: MovingHost,
  step: { readonly to: string; readonly isBack: boolean },
  nowMs: number,
): boolean {
  const { pin, exclude, deadEnd, freeze } = rules;
  if (exclude === id) return true;
  if (deadEnd !== null && [version, step.to].includes(deadEnd)) return true;
  const isPinned = pin?.host === id;
  if (isPinned && pin.version !== step.to) return true;
  const isCareful = group === 'careful' && rules.groups.includes('careful');
  if (isCareful && !isPinned && !step.isBack && isTooNew(group, step.to)) return true;
  if (step.isBack && !isCareful) return false;
  const hour = new Date(nowMs).getUTCHours();
  const isInWindow = hour >= OPENS_HOUR || hour < CLOSES_HOUR;
  const isFrozen =
    freeze !== null &&
    nowMs >= freeze.fromMs &&
    nowMs < freeze.toMs &&
    (freeze.group === null || freeze.group === group);
  return isFrozen || (isCareful && !isInWindow);
}
