import { Temporal } from 'temporal-polyfill';
import * as z from 'zod';
import { parseDuration } from '../duration.ts';
import { ExpectedError } from '../errors.ts';
import { instantSchema } from '../rollout.ts';
import { isVersion } from '../version.ts';
import type { FleetRules, Group } from './rules.ts';
import { parseSelector } from './selector.ts';
import { parseRange } from './version-range.ts';

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const MAX_GROUPS = 200;
const MAX_LISTED = 20_000;

const name = z
  .string()
  .regex(/^[^\p{C}]{1,128}$/u, 'must be 1 to 128 characters without control characters');
const sentence = z.string().regex(/^[^\p{C}]{1,500}$/u, 'must be 1 to 500 characters on one line');
const versions = textOf(parseRange);
const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must be a time like '22:00'");
const timeZone = z
  .string()
  .refine(isTimeZone, "must be a time zone by its IANA name, like 'Europe/Berlin'");

/** A window as the rules of a fleet and the configuration of an agent spell it. */
export const windowSchema = z
  .strictObject({ days: z.array(z.enum(DAYS)).min(1), from: time, to: time, time_zone: timeZone })
  .transform(({ days, from, to, time_zone }) => ({
    days: DAYS.flatMap((day, index) => (days.includes(day) ? [index + 1] : [])),
    from,
    to,
    timeZone: time_zone,
  }));

const limit = z
  .union([z.int().min(1), z.string().regex(/^([1-9]\d?|100) ?%$/)], {
    error: "must be a whole number from 1, or a share like '10 %' from 1 to 100",
  })
  .transform((value) =>
    typeof value === 'number'
      ? ({ kind: 'count', count: value } as const)
      : ({ kind: 'share', percent: Number.parseInt(value, 10) } as const),
  );

const concurrencySchema = z
  .strictObject({ limit, per: name.default('group') })
  .transform(({ limit: bound, per }) => ({ limit: bound, perLabel: per === 'group' ? null : per }));

const matchSchema = z
  .strictObject({
    group: name.optional(),
    labels: textOf(parseSelector).optional(),
    hosts: z.array(name).min(1).max(MAX_LISTED).optional(),
  })
  .refine((match) => Object.keys(match).length > 0, 'must hold group, labels or hosts')
  .transform(({ group = null, labels = null, hosts }) => ({
    group,
    labels,
    hosts: hosts === undefined ? null : new Set(hosts),
  }));

const groupSchema = z
  .strictObject({
    name,
    match: matchSchema.optional(),
    first: z.boolean().default(false),
    delay: textOf(parseDuration).default(0),
    windows: z.array(windowSchema).default([]),
    concurrency: z.array(concurrencySchema).default([]),
    versions: versions.nullable().default(null),
    rollback: z.enum(['at-once', 'waits']).default('at-once'),
  })
  .transform(({ name: own, match, first, delay, ...rest }): Group => ({
    name: own,
    match: match ?? { group: own, labels: null, hosts: null },
    isFirst: first,
    delayMs: delay,
    ...rest,
  }));

const freezeSchema = z
  .strictObject({
    from: instantSchema,
    to: instantSchema,
    reason: sentence,
    groups: z.array(name).min(1).nullable().default(null),
  })
  .refine(({ from, to }) => from < to, 'must end after it begins');

/** The rules as a file and the manifest spell them; whoever reads one can read the other. */
export const rulesSchema = z
  .strictObject({
    groups: z.array(groupSchema).max(MAX_GROUPS).default([]),
    freezes: z.array(freezeSchema).max(1000).default([]),
    pins: listed(z.string().refine(isVersion, 'must be a semantic version')),
    excludes: listed(sentence),
    dead_ends: z
      .array(z.strictObject({ versions, reason: sentence }))
      .max(1000)
      .default([]),
  })
  .transform(({ dead_ends, ...rest }): FleetRules => ({ ...rest, deadEnds: dead_ends }));

/** A table by host. */
function listed(value: z.ZodType<string>) {
  return z
    .record(name, value)
    .default({})
    .refine((table) => Object.keys(table).length <= MAX_LISTED, `must name at most ${MAX_LISTED}`)
    .transform((table): ReadonlyMap<string, string> => new Map(Object.entries(table)));
}

/** A string that one of our parsers reads. */
function textOf<T>(parse: (text: string) => T) {
  return z
    .string()
    .max(1000)
    .transform((text, context) => {
      try {
        return parse(text);
      } catch (error) {
        if (!(error instanceof ExpectedError)) throw error;
        context.addIssue({ code: 'custom', message: error.message });
        return z.NEVER;
      }
    });
}

function isTimeZone(text: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(text);
    return /^[A-Za-z]/.test(text);
  } catch {
    return false;
  }
}
