import { describe, expect, it } from '@jest/globals';
import { AgentError, ServerBusyError } from '../../agent/errors.ts';

describe('AgentError', () => {
  it.each([
    { said: 'https://me:secret@h/a answered 500', told: 'https://me:***@h/a answered 500' },
    { said: 'http://me:se:cr@et@h:80/: silent', told: 'http://me:***@h:80/: silent' },
    { said: 'https://h:443/a@b answered 500', told: 'https://h:443/a@b answered 500' },
    { said: 'no URL: a:b@c', told: 'no URL: a:b@c' },
  ])('tells no password: $told', ({ said, told }) => {
    expect(new AgentError('agent/unreachable', said).message).toBe(told);
    expect(new ServerBusyError(said, null).message).toBe(told);
  });
});
