/** The numbers of PKCS#11 3.1 that signing needs; its function list keeps the order of version 2.x for ever. */
export const FUNCTION_INDEX = {
  C_Initialize: 0,
  C_Finalize: 1,
  C_GetInfo: 2,
  C_GetSlotList: 4,
  C_GetSlotInfo: 5,
  C_GetTokenInfo: 6,
  C_OpenSession: 12,
  C_CloseSession: 13,
  C_GetSessionInfo: 15,
  C_Login: 18,
  C_GetAttributeValue: 24,
  C_FindObjectsInit: 26,
  C_FindObjects: 27,
  C_FindObjectsFinal: 28,
  C_SignInit: 42,
  C_Sign: 43,
} as const;

export const CKF = {
  OS_LOCKING_OK: 0x2n,
  SERIAL_SESSION: 0x4n,
  LOGIN_REQUIRED: 0x4n,
  PROTECTED_AUTHENTICATION_PATH: 0x100n,
  TOKEN_INITIALIZED: 0x400n,
  USER_PIN_FINAL_TRY: 0x20000n,
  USER_PIN_LOCKED: 0x40000n,
} as const;

export const CKU = { USER: 1n, CONTEXT_SPECIFIC: 2n } as const;
/** Session states in which the user is logged in: read only, read and write. */
export const USER_STATES: ReadonlySet<bigint> = new Set([1n, 3n]);
export const CKO = { PUBLIC_KEY: 2n, PRIVATE_KEY: 3n } as const;
export const CKK = { RSA: 0x0n, EC: 0x3n, EC_EDWARDS: 0x40n } as const;
export const CKM = { RSA_PKCS_PSS: 0x0dn, SHA256: 0x250n, ECDSA: 0x1041n, EDDSA: 0x1057n } as const;
export const CKG = { MGF1_SHA256: 0x2n } as const;
export const CKA = {
  CLASS: 0x0n,
  LABEL: 0x3n,
  KEY_TYPE: 0x100n,
  ID: 0x102n,
  SIGN: 0x108n,
  MODULUS: 0x120n,
  PUBLIC_EXPONENT: 0x122n,
  EC_PARAMS: 0x180n,
  EC_POINT: 0x181n,
  ALWAYS_AUTHENTICATE: 0x202n,
} as const;
