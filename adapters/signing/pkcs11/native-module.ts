import type * as KoffiModule from 'koffi';
import { z } from 'zod';
import { SigningError } from '../errors.ts';
import { FUNCTION_INDEX } from './constants.ts';

/** What a C function takes: a number, or a pointer to the memory of a typed array. */
export type NativeArgument = bigint | number | ArrayBufferView | null;

/** The functions of a loaded PKCS#11 module; each call runs in a thread of its own and gives the CKR value. */
export type NativeModule = {
  call(
    name: keyof typeof FUNCTION_INDEX,
    args: readonly NativeArgument[],
    pointedAt?: readonly ArrayBufferView[],
  ): Promise<number>;
  /** Ends everything at once, in this thread: nothing may run beside it. */
  finalize(): void;
  addressOf(memory: ArrayBufferView): bigint;
};

type NativeFunction = {
  (...args: readonly NativeArgument[]): number | bigint;
  readonly async: (
    ...args: readonly (NativeArgument | ((error: unknown, result: number | bigint) => void))[]
  ) => void;
};

const HANDLE = 'ulong';
const POINTER = 'void *';
const PARAMETERS: Readonly<Record<keyof typeof FUNCTION_INDEX, readonly string[]>> = {
  C_Initialize: [POINTER],
  C_Finalize: [POINTER],
  C_GetInfo: [POINTER],
  C_GetSlotList: ['uchar', POINTER, POINTER],
  C_GetSlotInfo: [HANDLE, POINTER],
  C_GetTokenInfo: [HANDLE, POINTER],
  C_OpenSession: [HANDLE, 'ulong', POINTER, POINTER, POINTER],
  C_CloseSession: [HANDLE],
  C_GetSessionInfo: [HANDLE, POINTER],
  C_Login: [HANDLE, 'ulong', POINTER, 'ulong'],
  C_GetAttributeValue: [HANDLE, HANDLE, POINTER, 'ulong'],
  C_FindObjectsInit: [HANDLE, POINTER, 'ulong'],
  C_FindObjects: [HANDLE, POINTER, 'ulong', POINTER],
  C_FindObjectsFinal: [HANDLE],
  C_SignInit: [HANDLE, POINTER, HANDLE],
  C_Sign: [HANDLE, POINTER, 'ulong', POINTER, POINTER],
};
/** The library's own 128 KiB are too few for modules that talk to a network HSM. */
const STACK_BYTES = 1024 * 1024;
const WORD_BYTES = 8;
// Never let go: a library that nothing refers to is unmapped, under the functions and threads that still use it.
const loaded = new Map<string, KoffiModule.LibraryHandle>();
const Foreign = z.object({ message: z.string() });

/** Loads a PKCS#11 module into this process. Throws `signing/unavailable`. */
export async function loadNativeModule(file: string): Promise<NativeModule> {
  const koffi = await loadKoffi();
  const list = functionList(koffi, file);
  const bind = (name: keyof typeof FUNCTION_INDEX): NativeFunction => {
    // The list begins with a version, padded to a word.
    const offset = (1 + FUNCTION_INDEX[name]) * WORD_BYTES;
    const pointer: bigint = koffi.decode(list, offset, POINTER);
    return koffi.decode(pointer, koffi.proto('ulong', [...PARAMETERS[name]]));
  };
  const bound = new Map<string, NativeFunction>();
  const functionOf = (name: keyof typeof FUNCTION_INDEX): NativeFunction => {
    const made = bound.get(name) ?? bind(name);
    bound.set(name, made);
    return made;
  };
  // What a running call points at must not be collected, and nothing else here refers to it.
  const inUse = new Set<unknown>();
  return {
    call: (name, args, pointedAt = []) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const held = [args, pointedAt];
      inUse.add(held);
      functionOf(name).async(...args, (error, value) => {
        inUse.delete(held);
        if (error === null) resolve(Number(value));
        else reject(error);
      });
      return promise;
    },
    finalize: () => {
      functionOf('C_Finalize')(null);
    },
    addressOf: (memory) => koffi.address(memory),
  };
}

type Koffi = Pick<
  typeof KoffiModule,
  'address' | 'config' | 'decode' | 'load' | 'proto' | 'sizeof'
>;

/** The package that calls C functions, an optional dependency. Throws `signing/unavailable`. */
export async function loadKoffi(): Promise<Koffi> {
  const koffi = await importKoffi();
  if (koffi.sizeof('ulong') !== WORD_BYTES) {
    throw new SigningError('signing/unavailable', 'pkcs11: keys need a 64-bit Unix system');
  }
  // It cannot be changed any more once a library is loaded.
  if (koffi.config().async_stack_size !== STACK_BYTES) {
    koffi.config({ async_stack_size: STACK_BYTES });
  }
  return koffi;
}

async function importKoffi(): Promise<Koffi> {
  try {
    return await import('koffi');
  } catch (cause) {
    throw new SigningError('signing/unavailable', 'pkcs11: keys need the package koffi', {
      cause,
      hints: ['npm install koffi', 'it is left out by npm --omit=optional'],
    });
  }
}

function functionList(koffi: Koffi, file: string): bigint {
  const pointer = new BigUint64Array(1);
  let value: number;
  try {
    // Deep: a module must find the OpenSSL that it was linked with, and not the one inside of Node.
    const library = loaded.get(file) ?? koffi.load(file, { deep: true });
    value = library.func('C_GetFunctionList', 'ulong', [POINTER])(pointer);
    loaded.set(file, library);
  } catch (cause) {
    const { success, data } = Foreign.safeParse(cause);
    throw notAModule(file, success ? data.message : 'it does not say why', cause);
  }
  const [list = 0n] = pointer;
  if (value !== 0 || list === 0n) throw notAModule(file, 'it gives no list of functions');
  return list;
}

function notAModule(file: string, why: string, cause?: unknown): SigningError {
  return new SigningError(
    'signing/unavailable',
    `${file} cannot be loaded as a PKCS#11 module: ${why}`,
    { cause },
  );
}
