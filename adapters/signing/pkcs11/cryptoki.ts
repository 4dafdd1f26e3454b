import { CKF, USER_STATES } from './constants.ts';
import type { CKU } from './constants.ts';
import { loadNativeModule } from './native-module.ts';
import type { NativeArgument, NativeModule } from './native-module.ts';
import { CKR, nameOfReturnValue } from './return-values.ts';

/** A PKCS#11 function gave something else than CKR_OK. */
export class CryptokiError extends Error {
  readonly returnValue: number;

  constructor(functionName: string, returnValue: number) {
    super(`${functionName} failed with ${nameOfReturnValue(returnValue)}`);
    this.name = 'CryptokiError';
    this.returnValue = returnValue;
  }
}

export type Slot = {
  readonly id: bigint;
  readonly description: string;
  readonly manufacturer: string;
};

export type Token = {
  readonly slot: Slot;
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly flags: bigint;
};

export type Library = {
  readonly manufacturer: string;
  readonly description: string;
  readonly version: string;
};

export type Mechanism = { readonly type: bigint; readonly parameters: readonly bigint[] };
export type Attribute = { readonly type: bigint; readonly value: Uint8Array };

type FunctionName = Parameters<NativeModule['call']>[0];

const WORD_BYTES = 8;
/** What C_GetAttributeValue gives as the length of what cannot be had. */
const UNAVAILABLE = 2n ** 64n - 1n;
const MAX_SIGNATURE_BYTES = 1024;
const FOUND_AT_ONCE = 16;

/**
 * The part of PKCS#11 that signing needs, on an initialised module. Every method throws CryptokiError. Sizes and places in
 * structures are those of 64-bit Unix, where CK_ULONG and pointers are words of eight bytes.
 */
export class Cryptoki {
  readonly #native: NativeModule;
  readonly #isOurs: boolean;

  private constructor(native: NativeModule, isOurs: boolean) {
    this.#native = native;
    this.#isOurs = isOurs;
  }

  /** Loads and initialises a module. Throws SigningError when it is none, and CryptokiError. */
  static async initialize(file: string): Promise<Cryptoki> {
    const native = await loadNativeModule(file);
    const withLocks = new BigUint64Array(6);
    withLocks[4] = CKF.OS_LOCKING_OK;
    let value = await native.call('C_Initialize', [withLocks]);
    // Calls never overlap here, so a module without locks is good enough.
    if (value === CKR.CANT_LOCK) value = await native.call('C_Initialize', [null]);
    const isOurs = value !== CKR.CRYPTOKI_ALREADY_INITIALIZED;
    if (isOurs && value !== 0) throw new CryptokiError('C_Initialize', value);
    return new Cryptoki(native, isOurs);
  }

  /** Ends all sessions of this process with the module, unless somebody else had initialised it. */
  finalize(): void {
    if (this.#isOurs) this.#native.finalize();
  }

  async library(): Promise<Library> {
    const info = Buffer.alloc(88);
    await this.#call('C_GetInfo', [info]);
    return {
      manufacturer: padded(info, 2, 32),
      description: padded(info, 48, 32),
      version: `${info.readUInt8(80)}.${info.readUInt8(81)}`,
    };
  }

  /** The initialised tokens that are there now. */
  async tokens(): Promise<readonly Token[]> {
    const tokens: Token[] = [];
    for (const id of await this.#slotsWithTokens()) {
      const info = Buffer.alloc(208);
      const value = await this.#native.call('C_GetTokenInfo', [id, info]);
      // Pulled out a moment ago, or no token of PKCS#11: it is not the one that is looked for.
      if (value === CKR.TOKEN_NOT_PRESENT || value === CKR.TOKEN_NOT_RECOGNIZED) continue;
      if (value !== 0) throw new CryptokiError('C_GetTokenInfo', value);
      const flags = wordAt(info, 96);
      if ((flags & CKF.TOKEN_INITIALIZED) === 0n) continue;
      tokens.push({
        slot: await this.#slot(id),
        label: padded(info, 0, 32),
        manufacturer: padded(info, 32, 32),
        model: padded(info, 64, 16),
        serial: padded(info, 80, 16),
        flags,
      });
    }
    return tokens;
  }

  async openSession(slotId: bigint): Promise<bigint> {
    const session = new BigUint64Array(1);
    await this.#call('C_OpenSession', [slotId, CKF.SERIAL_SESSION, null, null, session]);
    return session[0] ?? 0n;
  }

  async closeSession(session: bigint): Promise<void> {
    // Whatever it gives, the session is closed: a token that was pulled out has closed it already.
    await this.#native.call('C_CloseSession', [session]);
  }

  /** Whether this process, in whatever session, is logged in to the session's token. */
  async isLoggedIn(session: bigint): Promise<boolean> {
    const info = new BigUint64Array(4);
    await this.#call('C_GetSessionInfo', [session, info]);
    return USER_STATES.has(info[1] ?? 0n);
  }

  /** Without a PIN the token asks for it on a keypad of its own. */
  async login(
    session: bigint,
    user: (typeof CKU)[keyof typeof CKU],
    pin: Uint8Array | null,
  ): Promise<void> {
    await this.#call('C_Login', [session, user, pin, pin?.length ?? 0]);
  }

  async findObjects(session: bigint, attributes: readonly Attribute[]): Promise<readonly bigint[]> {
    const values = attributes.map(({ value }) => Uint8Array.from(value));
    const template = BigUint64Array.from(
      attributes.flatMap(({ type }, index) => this.#attribute(type, values[index] ?? null)),
    );
    await this.#call('C_FindObjectsInit', [session, template, attributes.length], values);
    try {
      return await this.#found(session);
    } finally {
      await this.#call('C_FindObjectsFinal', [session]);
    }
  }

  /** The value of an attribute, or null if the object has none or keeps it to itself. */
  async attribute(session: bigint, object: bigint, type: bigint): Promise<Buffer | null> {
    const lengthOnly = BigUint64Array.from(this.#attribute(type, null));
    const first = await this.#native.call('C_GetAttributeValue', [session, object, lengthOnly, 1]);
    const length = lengthOnly[2] ?? UNAVAILABLE;
    const isMissing =
      first === CKR.ATTRIBUTE_TYPE_INVALID ||
      first === CKR.ATTRIBUTE_SENSITIVE ||
      (first === 0 && length === UNAVAILABLE);
    if (isMissing) return null;
    if (first !== 0) throw new CryptokiError('C_GetAttributeValue', first);
    if (length === 0n) return Buffer.alloc(0);
    const value = Buffer.alloc(Number(length));
    const template = BigUint64Array.from(this.#attribute(type, value));
    await this.#call('C_GetAttributeValue', [session, object, template, 1], [value]);
    return value.subarray(0, Number(template[2] ?? 0n));
  }

  /** Starts a signature; `sign` must follow. */
  async beginSignature(
    session: bigint,
    { key, mechanism }: { readonly key: bigint; readonly mechanism: Mechanism },
  ): Promise<void> {
    const parameters = BigUint64Array.from(mechanism.parameters);
    const address = parameters.length === 0 ? 0n : this.#native.addressOf(parameters);
    const words = BigUint64Array.of(mechanism.type, address, BigInt(parameters.byteLength));
    await this.#call('C_SignInit', [session, words, key], [parameters]);
  }

  async sign(session: bigint, data: Uint8Array): Promise<Buffer> {
    // Some modules refuse a null pointer even for no data.
    const memory = data.length === 0 ? new Uint8Array(1) : data;
    const signature = Buffer.alloc(MAX_SIGNATURE_BYTES);
    const length = BigUint64Array.of(BigInt(signature.length));
    await this.#call('C_Sign', [session, memory, data.length, signature, length]);
    return signature.subarray(0, Number(length[0] ?? 0n));
  }

  async #found(session: bigint): Promise<readonly bigint[]> {
    const handles: bigint[] = [];
    const some = new BigUint64Array(FOUND_AT_ONCE);
    const count = new BigUint64Array(1);
    do {
      await this.#call('C_FindObjects', [session, some, FOUND_AT_ONCE, count]);
      handles.push(...some.subarray(0, Number(count[0] ?? 0n)));
    } while (count[0] !== 0n);
    return handles;
  }

  async #slotsWithTokens(): Promise<readonly bigint[]> {
    const count = new BigUint64Array(1);
    await this.#call('C_GetSlotList', [1, null, count]);
    const slots = new BigUint64Array(Number(count[0] ?? 0n));
    if (slots.length > 0) await this.#call('C_GetSlotList', [1, slots, count]);
    return [...slots.subarray(0, Number(count[0] ?? 0n))];
  }

  async #slot(id: bigint): Promise<Slot> {
    const info = Buffer.alloc(112);
    await this.#call('C_GetSlotInfo', [id, info]);
    return { id, description: padded(info, 0, 64), manufacturer: padded(info, 64, 32) };
  }

  #attribute(type: bigint, value: Uint8Array | null): readonly bigint[] {
    if (value === null || value.length === 0) return [type, 0n, 0n];
    return [type, this.#native.addressOf(value), BigInt(value.length)];
  }

  async #call(
    name: FunctionName,
    args: readonly NativeArgument[],
    pointedAt: readonly ArrayBufferView[] = [],
  ): Promise<void> {
    const value = await this.#native.call(name, args, pointedAt);
    if (value !== 0) throw new CryptokiError(name, value);
  }
}

/** An attribute whose value is a CK_ULONG. */
export function wordAttribute(type: bigint, word: bigint): Attribute {
  return { type, value: new Uint8Array(BigUint64Array.of(word).buffer) };
}

/** The CK_ULONG that an attribute holds, or null. */
export function wordOf(value: Uint8Array | null): bigint | null {
  return value === null || value.length !== WORD_BYTES ? null : wordAt(value, 0);
}

function wordAt(memory: Uint8Array, offset: number): bigint {
  // A copy is aligned, and in the order of bytes that this machine has.
  const [word = 0n] = new BigUint64Array(
    Uint8Array.from(memory.subarray(offset, offset + WORD_BYTES)).buffer,
  );
  return word;
}

function padded(memory: Buffer, offset: number, length: number): string {
  return memory.toString('utf8', offset, offset + length).replace(/[ \0]+$/, '');
}
