import { describe, expect, it } from '@jest/globals';
import { CKF, CKU } from '../../../../adapters/signing/pkcs11/constants.ts';
import { CryptokiError } from '../../../../adapters/signing/pkcs11/cryptoki.ts';
import { TokenLogin } from '../../../../adapters/signing/pkcs11/login.ts';
import { CKR } from '../../../../adapters/signing/pkcs11/return-values.ts';

type State = { readonly flags?: bigint; readonly answers?: readonly number[] };

/** A token with the flags that SoftHSM never has, and the return values of its next logins. */
function setup({ flags = CKF.LOGIN_REQUIRED, answers = [] }: State) {
  const logins: (readonly [bigint, string | null])[] = [];
  const questions: string[] = [];
  const cryptoki = {
    isLoggedIn: async () => false,
    login: async (_: bigint, user: bigint, pin: Uint8Array | null) => {
      const value =
        answers[logins.push([user, pin === null ? null : Buffer.from(pin).toString()]) - 1];
      if (value !== undefined && value !== 0) throw new CryptokiError('C_Login', value);
    },
  };
  const slot = { id: 1n, description: '', manufacturer: '' };
  const token = { slot, label: 'T', manufacturer: '', model: '', serial: '', flags };
  const login = new TokenLogin(
    { cryptoki, session: 7n, source: 'pkcs11:token=T' },
    token,
    async () => {
      questions.push('PIN');
      return '1234';
    },
  );
  return { login, logins, questions };
}

async function nothing(): Promise<void> {}

describe('TokenLogin', () => {
  it('asks for no PIN where the token has a keypad', async () => {
    const flags = CKF.LOGIN_REQUIRED | CKF.PROTECTED_AUTHENTICATION_PATH;
    const { login, logins, questions } = setup({ flags });
    await login.asUser();
    expect({ logins, questions }).toEqual({ logins: [[CKU.USER, null]], questions: [] });
  });

  it('does not log in to a token that wants no login', async () => {
    const { login, logins, questions } = setup({ flags: 0n });
    await login.asUser();
    expect({ logins, questions }).toEqual({ logins: [], questions: [] });
  });

  it('neither asks nor tries when the PIN is locked', async () => {
    const flags = CKF.LOGIN_REQUIRED | CKF.USER_PIN_LOCKED;
    const { login, logins, questions } = setup({ flags });
    await expect(login.asUser()).rejects.toMatchObject({ code: 'signing/disabled' });
    expect({ logins, questions }).toEqual({ logins: [], questions: [] });
  });

  it('is content when another program part has logged in meanwhile', async () => {
    const { login, logins } = setup({ answers: [CKR.USER_ALREADY_LOGGED_IN] });
    await login.asUser();
    expect(logins).toHaveLength(1);
  });

  it('asks once for a key that wants the PIN for each signature', async () => {
    const { login, logins, questions } = setup({});
    await login.asUser();
    await login.forOneSignature(nothing);
    await login.forOneSignature(nothing);
    expect(questions).toEqual(['PIN']);
    expect(logins).toEqual([
      [CKU.USER, '1234'],
      [CKU.CONTEXT_SPECIFIC, '1234'],
      [CKU.CONTEXT_SPECIFIC, '1234'],
    ]);
  });

  it.each([['PIN_INCORRECT'], ['PIN_LOCKED'], ['DEVICE_REMOVED']] as const)(
    'never gives a PIN again after %s',
    async (name) => {
      const { login, logins } = setup({ answers: [0, CKR[name]] });
      await login.asUser();
      for (let times = 0; times < 3; times += 1) {
        await expect(login.forOneSignature(nothing)).rejects.toMatchObject({
          returnValue: CKR[name],
        });
      }
      expect(logins).toHaveLength(2);
    },
  );
});
