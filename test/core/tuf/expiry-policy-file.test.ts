import { describe, expect, it } from '@jest/globals';
import { parseExpiryPolicy } from '../../../core/tuf/expiry-policy-file.ts';
import { DEFAULT_EXPIRY_POLICY, expiresOf, isRenewalDue } from '../../../core/tuf/lifetimes.ts';

const WEEK_MS = 7 * 24 * 60 * 60 * 1000;
const NOW = new Date('2026-03-01T12:00:00.900Z');

describe('parseExpiryPolicy', () => {
  it('reads the policy that pubsys ships, and keeps the default for the other roles', () => {
    const policy = parseExpiryPolicy(
      "snapshot_expiration = '2 weeks'\ntargets_expiration = '2 weeks'\ntimestamp_expiration = '1 week'\n",
    );
    expect(policy.snapshot).toEqual({ lifetimeMs: 2 * WEEK_MS, renewalMs: WEEK_MS });
    expect(policy.timestamp).toEqual({ lifetimeMs: WEEK_MS, renewalMs: WEEK_MS / 2 });
    expect(policy.root).toEqual(DEFAULT_EXPIRY_POLICY.root);
  });

  it('reads how much of the life may be left', () => {
    const { timestamp } = parseExpiryPolicy("timestamp_renewal = '6 days'");
    expect(timestamp.renewalMs).toBe(6 * 24 * 60 * 60 * 1000);
  });

  it.each([
    { case: 'an unknown key', text: "mirrors_expiration = '1 week'" },
    { case: 'a number', text: 'timestamp_expiration = 7' },
    { case: 'no duration', text: "timestamp_expiration = 'soon'" },
    { case: 'a life of no length', text: "timestamp_expiration = '0 days'" },
    { case: 'a renewal longer than the life', text: "timestamp_renewal = '2 weeks'" },
    { case: 'no TOML', text: 'timestamp_expiration' },
  ])('refuses $case', ({ text }) => {
    expect(() => parseExpiryPolicy(text)).toThrow(
      expect.objectContaining({ code: 'expiry-policy/invalid' }),
    );
  });
});

describe('expiresOf', () => {
  it.each([
    { role: 'timestamp', expires: '2026-03-08T12:00:00Z' },
    { role: 'rollouts', expires: '2026-03-31T12:00:00Z' },
    { role: 'releases-aws-x86_64', expires: '2027-03-01T12:00:00Z' },
    { role: 'another-role', expires: '2027-03-01T12:00:00Z' },
  ])('gives $role the life of the policy, in whole seconds', ({ role, expires }) => {
    expect(expiresOf(role, NOW, DEFAULT_EXPIRY_POLICY)).toBe(expires);
  });
});

describe('isRenewalDue', () => {
  it.each([
    { expires: '2026-03-05T00:00:00Z', due: true },
    { expires: '2026-03-05T00:00:01Z', due: false },
    { expires: '2026-02-01T00:00:00Z', due: true },
  ])('says $due for a timestamp until $expires', ({ expires, due }) => {
    const now = new Date('2026-03-01T12:00:00.001Z');
    expect(isRenewalDue('timestamp', expires, now, DEFAULT_EXPIRY_POLICY)).toBe(due);
  });
});
