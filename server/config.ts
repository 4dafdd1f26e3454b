import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BlockList, isIP } from 'node:net';
import { ExpectedError } from '../core/errors.ts';
import { parseDuration } from '../core/duration.ts';
import { parseExpiryPolicy } from '../core/tuf/expiry-policy-file.ts';
import { DEFAULT_EXPIRY_POLICY } from '../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../core/tuf/lifetimes.ts';
import type { CheckInPace } from './check-in-interval.ts';
import type { RetentionPolicy } from './jobs/retention.ts';
import { parseOperators } from '../core/operators.ts';
import type { Operator } from '../core/operators.ts';

/** The server was called wrongly: exit code 2. */
export class ServeUsageError extends ExpectedError<
  | 'usage/listen'
  /** Hosts would reach the server over a network, and it could not tell who they are. */
  | 'usage/host-auth'
  | 'usage/state'
  | 'usage/interval'
  | 'usage/file'
  | 'usage/log-level'
> {}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** As the command line gives them. */
export type ServeOptions = {
  readonly storage: string;
  readonly onlineKey: readonly string[];
  readonly state: string;
  readonly tokenFile?: string | undefined;
  readonly operators?: string | undefined;
  readonly listen: string;
  readonly checkInInterval?: string | undefined;
  readonly followInterval: string;
  readonly leaseTimeout: string;
  readonly keepHosts?: string | undefined;
  readonly keepReports?: string | undefined;
  readonly keepAudit?: string | undefined;
  readonly expiryPolicy?: string | undefined;
  readonly logLevel: string;
  readonly unsafeNoHostAuth?: boolean | undefined;
};

export type ListenAddress = {
  /** An IP address or a host name. */
  readonly host: string;
  /** 0 is any free port. */
  readonly port: number;
};

export type ServerConfig = {
  readonly listen: ListenAddress;
  readonly pace: CheckInPace;
  readonly followMs: number;
  readonly leaseMs: number;
  readonly keep: RetentionPolicy;
  readonly tokenFile: string;
  readonly logLevel: LogLevel;
};

const MIN_CHECK_IN_MS = 60_000;
const MAX_CHECK_IN_MS = 900_000;
const DAY_MS = 86_400_000;
const SHORTEST_KEEP_MS = 7 * DAY_MS;
const SHORTEST_LEASE_MS = 60_000;
const LONGEST_LEASE_MS = 7 * DAY_MS;

/** The options with a meaning. Throws ServeUsageError or DurationError. */
export function configOf(options: ServeOptions, cwd: string): ServerConfig {
  const listen = parseListen(options.listen);
  if (!isLoopback(listen.host) && options.unsafeNoHostAuth !== true) {
    throw new ServeUsageError(
      'usage/host-auth',
      `--listen ${options.listen}: hosts are not authenticated, so only loopback addresses may be listened on`,
      {
        hints: [
          'listen on 127.0.0.1 behind a proxy that authenticates hosts',
          'or accept that anybody who reaches the port can pose as any host: --unsafe-no-host-auth',
        ],
      },
    );
  }
  return {
    listen,
    pace: paceOf(options.checkInInterval),
    followMs: intervalOf('--follow-interval', options.followInterval),
    leaseMs: leaseOf(options.leaseTimeout),
    keep: {
      hostsMs: keepOf('--keep-hosts', options.keepHosts),
      reportsMs: keepOf('--keep-reports', options.keepReports),
      auditMs: keepOf('--keep-audit', options.keepAudit),
    },
    tokenFile: tokenFileOf(options, cwd),
    logLevel: logLevelOf(options.logLevel),
  };
}

/** Reads `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`; `localhost` is 127.0.0.1. */
export function parseListen(text: string): ListenAddress {
  const [, six, name, digits] = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const isRight = six === undefined ? name !== undefined : isIP(six) === 6;
  if (!isRight || port > 65_535) {
    throw new ServeUsageError(
      'usage/listen',
      `--listen must be like 127.0.0.1:8080 or [::1]:8080, got ${JSON.stringify(text.slice(0, 200))}`,
    );
  }
  const host = six ?? name ?? '';
  return { host: host === 'localhost' ? '127.0.0.1' : host, port };
}

/** Whether only this machine can reach the address. Of names, nobody knows what they resolve to. */
export function isLoopback(host: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** One interval sets both ends: for demos and tests, where minutes are too long. */
function paceOf(interval: string | undefined): CheckInPace {
  if (interval === undefined) return { minMs: MIN_CHECK_IN_MS, maxMs: MAX_CHECK_IN_MS };
  const maxMs = intervalOf('--check-in-interval', interval);
  return { minMs: Math.min(MIN_CHECK_IN_MS, maxMs), maxMs };
}

function intervalOf(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms < 1000 || ms > DAY_MS) {
    throw new ServeUsageError(
      'usage/interval',
      `${option} must be from 1 second to 1 day, got '${text}'`,
    );
  }
  return ms;
}

/** Between two words of a host that installs and boots lie minutes; a lease that ends sooner bounds nothing. */
function leaseOf(text: string): number {
  const ms = parseDuration(text);
  if (ms < SHORTEST_LEASE_MS || ms > LONGEST_LEASE_MS) {
    throw new ServeUsageError(
      'usage/interval',
      `--lease-timeout must be from 1 minute to 7 days, got '${text}'`,
    );
  }
  return ms;
}

/** A host that is off for a weekend should not be a stranger on Monday. */
function keepOf(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = parseDuration(text);
  if (ms < SHORTEST_KEEP_MS) {
    throw new ServeUsageError('usage/interval', `${option} must be 7 days or more, got '${text}'`);
  }
  return ms;
}

function tokenFileOf({ state, tokenFile }: ServeOptions, cwd: string): string {
  const [, path] = /^sqlite:(.+)$/s.exec(state) ?? [];
  const isServer = /^postgres(?:ql)?:/.test(state);
  if (!isServer && (path === undefined || path === ':memory:')) {
    throw new ServeUsageError(
      'usage/state',
      '--state must be a file like sqlite:state.db, or postgres://…: it holds what must outlive the server',
    );
  }
  if (tokenFile !== undefined) return resolve(cwd, tokenFile);
  if (path === undefined) {
    throw new ServeUsageError(
      'usage/state',
      "--state postgres://… needs --token-file, the place of the operators' token, as well",
      { hints: ['servers that share a database should be given the same token'] },
    );
  }
  return join(dirname(resolve(cwd, path)), 'token');
}

/** The policy in the file that `--expiry-policy` names; the default policy without one. */
export async function readExpiry(
  { expiryPolicy: path }: Pick<ServeOptions, 'expiryPolicy'>,
  cwd: string,
): Promise<ExpiryPolicy> {
  if (path === undefined) return DEFAULT_EXPIRY_POLICY;
  return parseExpiryPolicy(await readOptionFile('--expiry-policy', path, cwd));
}

/** Those in the file that `--operators` names; nobody without one. */
export async function readOperators(
  { operators: path }: Pick<ServeOptions, 'operators'>,
  cwd: string,
): Promise<readonly Operator[]> {
  return path === undefined ? [] : parseOperators(await readOptionFile('--operators', path, cwd));
}

async function readOptionFile(option: string, path: string, cwd: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, path), 'utf8');
  } catch (cause) {
    throw new ServeUsageError('usage/file', `${option}: cannot read ${path}`, { cause });
  }
}

function logLevelOf(text: string): LogLevel {
  const level = LOG_LEVELS.find((one) => one === text);
  if (level === undefined) {
    throw new ServeUsageError(
      'usage/log-level',
      `--log-level must be one of ${LOG_LEVELS.join(', ')}, got '${text}'`,
    );
  }
  return level;
}
