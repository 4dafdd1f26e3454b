import { SigningError } from '../errors.ts';
import type { SigningErrorCode } from '../errors.ts';
import { CryptokiError } from './cryptoki.ts';
import { CKR } from './return-values.ts';

type Meaning = { readonly code: SigningErrorCode; readonly hints?: readonly string[] };

const NOT_TRIED_AGAIN = 'it is not tried again: tokens lock themselves after a few wrong PINs';
const WRONG_PIN: Meaning = { code: 'signing/passphrase', hints: [NOT_TRIED_AGAIN] };
const NOT_FOR_THIS: Meaning = { code: 'signing/unsupported' };

const MEANINGS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [CKR.PIN_INCORRECT, WRONG_PIN],
  [CKR.PIN_INVALID, WRONG_PIN],
  [CKR.PIN_LEN_RANGE, WRONG_PIN],
  [
    CKR.PIN_LOCKED,
    { code: 'signing/disabled', hints: ["the token's security officer can set a new PIN"] },
  ],
  [CKR.PIN_EXPIRED, { code: 'signing/disabled', hints: ['change the PIN with the token’s tools'] }],
  [CKR.USER_PIN_NOT_INITIALIZED, { code: 'signing/disabled', hints: ['the token has no PIN yet'] }],
  [CKR.FUNCTION_CANCELED, { code: 'signing/denied' }],
  [CKR.FUNCTION_REJECTED, { code: 'signing/denied' }],
  [CKR.ACTION_PROHIBITED, { code: 'signing/denied' }],
  [CKR.USER_NOT_LOGGED_IN, { code: 'signing/denied' }],
  [CKR.KEY_FUNCTION_NOT_PERMITTED, NOT_FOR_THIS],
  [CKR.KEY_TYPE_INCONSISTENT, NOT_FOR_THIS],
  [CKR.KEY_SIZE_RANGE, NOT_FOR_THIS],
  [CKR.MECHANISM_INVALID, NOT_FOR_THIS],
  [CKR.MECHANISM_PARAM_INVALID, NOT_FOR_THIS],
  [CKR.DATA_LEN_RANGE, NOT_FOR_THIS],
]);

/** Runs work on a token and translates how PKCS#11 says it failed to SigningError; all else is thrown as it is. */
export async function tokenRequest<T>(source: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof CryptokiError)) throw cause;
    const { code, hints = [] } = MEANINGS.get(cause.returnValue) ?? { code: 'signing/unavailable' };
    throw new SigningError(code, `${source}: ${cause.message}`, { cause, hints });
  }
}
