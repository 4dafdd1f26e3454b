import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DEFAULT_EXPIRY_POLICY } from '../../core/tuf/lifetimes.ts';
import { configOf, isLoopback, parseListen, readExpiry } from '../../server/config.ts';
import type { ServeOptions } from '../../server/config.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const OPTIONS: ServeOptions = {
  storage: 'file:R',
  onlineKey: ['file:K/online.pem'],
  state: 'sqlite:S/state.db',
  listen: '127.0.0.1:8080',
  followInterval: '5 seconds',
  leaseTimeout: '1 hour',
  logLevel: 'info',
};

describe('parseListen', () => {
  it.each([
    { text: '127.0.0.1:8080', host: '127.0.0.1', port: 8080 },
    { text: 'localhost:0', host: '127.0.0.1', port: 0 },
    { text: '[::1]:443', host: '::1', port: 443 },
    { text: 'updates.example:80', host: 'updates.example', port: 80 },
  ])('reads $text', ({ text, host, port }) => {
    expect(parseListen(text)).toEqual({ host, port });
  });

  it.each([
    '',
    '8080',
    ':8080',
    '127.0.0.1',
    '127.0.0.1:70000',
    '::1:80',
    '[127.0.0.1]:80',
    'a b:1',
  ])('refuses %j', (text) => {
    expect(() => parseListen(text)).toThrow(expect.objectContaining({ code: 'usage/listen' }));
  });
});

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.255.0.9', '::1', '0:0:0:0:0:0:0:1'])('knows %s', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', 'updates.example', 'fe80::1', '127.1'])(
    'does not take %s for it',
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});

describe('configOf', () => {
  it('keeps the token beside the state', () => {
    expect(configOf(OPTIONS, '/srv')).toEqual({
      listen: { host: '127.0.0.1', port: 8080 },
      pace: { minMs: 60_000, maxMs: 900_000 },
      followMs: 5000,
      leaseMs: 3_600_000,
      keep: { hostsMs: null, reportsMs: null, auditMs: null },
      tokenFile: '/srv/S/token',
      logLevel: 'info',
    });
  });

  it.each(['sqlite:S/state.db', 'postgres://a/b', 'postgresql://a/b'])(
    'keeps the token where it is told to, with the state in %s',
    (state) => {
      const { tokenFile } = configOf({ ...OPTIONS, state, tokenFile: 'T/token' }, '/srv');
      expect(tokenFile).toBe('/srv/T/token');
    },
  );

  it.each(['0.0.0.0:8080', '[::]:8080', '10.0.0.1:8080', 'updates.example:8080'])(
    'refuses %s unless it is told to',
    (listen) => {
      expect(() => configOf({ ...OPTIONS, listen }, '/')).toThrow(
        expect.objectContaining({ code: 'usage/host-auth' }),
      );
      const { listen: taken } = configOf({ ...OPTIONS, listen, unsafeNoHostAuth: true }, '/');
      expect(taken.port).toBe(8080);
    },
  );

  it.each([
    { case: 'a state in memory', change: { state: 'sqlite::memory:' }, code: 'usage/state' },
    {
      case: 'another engine',
      change: { state: 'mysql://a/b', tokenFile: 't' },
      code: 'usage/state',
    },
    {
      case: 'PostgreSQL without a token file',
      change: { state: 'postgres://a/b' },
      code: 'usage/state',
    },
    { case: 'no duration', change: { checkInInterval: '5' }, code: 'duration/invalid' },
    { case: 'hosts kept for 6 days', change: { keepHosts: '6 days' }, code: 'usage/interval' },
    { case: 'an audit log of a day', change: { keepAudit: '1 day' }, code: 'usage/interval' },
    { case: 'reports kept for no time', change: { keepReports: '1 day' }, code: 'usage/interval' },
    {
      case: 'a lease of 59 seconds',
      change: { leaseTimeout: '59 seconds' },
      code: 'usage/interval',
    },
    { case: 'a lease of 8 days', change: { leaseTimeout: '8 days' }, code: 'usage/interval' },
    { case: 'no time', change: { checkInInterval: '0 seconds' }, code: 'usage/interval' },
    { case: 'two days', change: { checkInInterval: '2 days' }, code: 'usage/interval' },
    { case: 'an unknown level', change: { logLevel: 'loud' }, code: 'usage/log-level' },
  ])('refuses $case', ({ change, code }) => {
    expect(() => configOf({ ...OPTIONS, ...change }, '/')).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('forgets hosts, reports and entries of the audit log by the policies given', () => {
    const options = { keepHosts: '90 days', keepReports: '7 days', keepAudit: '365 days' };
    const { keep } = configOf({ ...OPTIONS, ...options }, '/');
    expect(keep).toEqual({
      hostsMs: 90 * 86_400_000,
      reportsMs: 7 * 86_400_000,
      auditMs: 365 * 86_400_000,
    });
  });

  it('makes everything faster by one interval', () => {
    const { pace } = configOf({ ...OPTIONS, checkInInterval: '2 seconds' }, '/');
    expect(pace).toEqual({ minMs: 2000, maxMs: 2000 });
  });
});

describe('readExpiry', () => {
  it('reads the policy file relative to the folder the command was called in', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'expiry.toml'), "timestamp_expiration = '2 days'\n");
    const policy = await readExpiry({ expiryPolicy: 'expiry.toml' }, folder.path);
    expect(policy.timestamp.lifetimeMs).toBe(2 * 86_400_000);
    expect(await readExpiry({}, folder.path)).toEqual(DEFAULT_EXPIRY_POLICY);
  });
});
