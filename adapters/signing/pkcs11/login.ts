import { SigningError } from '../errors.ts';
import { CKF, CKU } from './constants.ts';
import { CryptokiError } from './cryptoki.ts';
import type { Token } from './cryptoki.ts';
import { CKR } from './return-values.ts';
import type { OnToken } from './token-key.ts';

/** Logs one signer in to its token. A PIN that was refused is never given to the token again: tokens lock themselves. */
export class TokenLogin implements Disposable {
  readonly #on: OnToken<'isLoggedIn' | 'login'>;
  readonly #token: Token;
  readonly #askPin: () => Promise<string>;
  #pin: Buffer | null = null;
  #refusal: unknown = null;

  /** `askPin` is called when a PIN is needed for the first time. */
  constructor(on: OnToken<'isLoggedIn' | 'login'>, token: Token, askPin: () => Promise<string>) {
    this.#on = on;
    this.#token = token;
    this.#askPin = askPin;
  }

  /** Logs in, unless the token wants none or another signer of this process did. Throws SigningError and CryptokiError. */
  async asUser(): Promise<void> {
    const { cryptoki, session } = this.#on;
    if ((this.#token.flags & CKF.LOGIN_REQUIRED) === 0n) return;
    if (await cryptoki.isLoggedIn(session)) return;
    try {
      await this.#login(CKU.USER, await this.#secret());
    } catch (error) {
      const isIn =
        error instanceof CryptokiError && error.returnValue === CKR.USER_ALREADY_LOGGED_IN;
      if (!isIn) throw error;
    }
  }

  /** Begins a signature with a key that wants the PIN for each one. Throws SigningError and CryptokiError. */
  async forOneSignature(begin: () => Promise<void>): Promise<void> {
    if (this.#refusal !== null) throw this.#refusal;
    // Asked first: a signature that was begun and given up would block the next one.
    const pin = await this.#secret();
    await begin();
    await this.#login(CKU.CONTEXT_SPECIFIC, pin);
  }

  /** Wipes the PIN. */
  forget(): void {
    this.#pin?.fill(0);
    this.#pin = null;
  }

  [Symbol.dispose](): void {
    this.forget();
  }

  async #login(user: (typeof CKU)[keyof typeof CKU], pin: Buffer | null): Promise<void> {
    try {
      await this.#on.cryptoki.login(this.#on.session, user, pin);
    } catch (error) {
      this.#refusal = error;
      this.forget();
      throw error;
    }
  }

  /** Null where the token has a keypad of its own. */
  async #secret(): Promise<Buffer | null> {
    const { flags, label } = this.#token;
    if ((flags & CKF.USER_PIN_LOCKED) !== 0n) {
      throw new SigningError(
        'signing/disabled',
        `${this.#on.source}: the PIN of ${label} is locked`,
        {
          hints: ["the token's security officer can set a new PIN"],
        },
      );
    }
    if ((flags & CKF.PROTECTED_AUTHENTICATION_PATH) !== 0n) return null;
    this.#pin ??= Buffer.from(await this.#askPin());
    return this.#pin;
  }
}
