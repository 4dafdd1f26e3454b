import { VerityError } from './errors.ts';
import { findNonZero } from './zeros.ts';

/** The hash algorithms that are accepted; SHA-1, which dm-verity knows too, is not. */
const DIGEST_BYTES = { sha256: 32, sha512: 64 } as const;

export type VerityAlgorithm = keyof typeof DIGEST_BYTES;

/** What a hash image says of itself in its first 512 bytes. */
export type VeritySuperblock = {
  /** 32 lower-case hex digits. */
  readonly uuid: string;
  readonly algorithm: VerityAlgorithm;
  readonly dataBlockSize: number;
  readonly hashBlockSize: number;
  readonly dataBlocks: number;
  readonly salt: Uint8Array;
};

export const SUPERBLOCK_BYTES = 512;
const SIGNATURE = 'verity\0\0';
const VERSION = 1;
/** The digest of a block is that of the salt and the block, in this order. */
const NORMAL_HASH_TYPE = 1;
const UUID_AT = 16;
const ALGORITHM_AT = 32;
const SIZES_AT = 64;
const SALT_SIZE_AT = 80;
const SALT_AT = 88;
const SALT_BYTES = 256;
const MIN_BLOCK_BYTES = 512;
const MAX_BLOCK_BYTES = 65_536;

export function digestBytes({ algorithm }: Pick<VeritySuperblock, 'algorithm'>): number {
  return DIGEST_BYTES[algorithm];
}

/** Reads the superblock, version 1, that veritysetup writes. Throws `verity/superblock`. */
export function parseSuperblock(bytes: Uint8Array): VeritySuperblock {
  if (bytes.length < SUPERBLOCK_BYTES) {
    throw refused(`needs ${SUPERBLOCK_BYTES} bytes, got ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, SUPERBLOCK_BYTES);
  if (latin1(bytes, 0, SIGNATURE.length) !== SIGNATURE) throw refused('has no dm-verity signature');
  const [version, hashType] = [view.getUint32(8, true), view.getUint32(12, true)];
  if (version !== VERSION) throw refused(`must be of version ${VERSION}, got ${version}`);
  if (hashType !== NORMAL_HASH_TYPE) {
    throw refused(`must have hash type ${NORMAL_HASH_TYPE}, got ${hashType}`);
  }
  const saltSize = view.getUint16(SALT_SIZE_AT, true);
  if (saltSize > SALT_BYTES) {
    throw refused(`must have a salt of at most ${SALT_BYTES} bytes, got ${saltSize}`);
  }
  const gaps = [
    bytes.subarray(SALT_SIZE_AT + 2, SALT_AT),
    bytes.subarray(SALT_AT + saltSize, SUPERBLOCK_BYTES),
  ];
  if (gaps.some((gap) => findNonZero(gap) !== -1)) throw refused('has bytes where it must be zero');
  const dataBlockSize = blockSize('data', view.getUint32(SIZES_AT, true));
  return {
    uuid: Array.from(bytes.subarray(UUID_AT, ALGORITHM_AT), hexByte).join(''),
    algorithm: parseAlgorithm(latin1(bytes, ALGORITHM_AT, SIZES_AT)),
    dataBlockSize,
    hashBlockSize: blockSize('hash', view.getUint32(SIZES_AT + 4, true)),
    dataBlocks: blockCount(view.getBigUint64(SIZES_AT + 8, true), dataBlockSize),
    salt: bytes.slice(SALT_AT, SALT_AT + saltSize),
  };
}

function parseAlgorithm(field: string): VerityAlgorithm {
  switch (field.replace(/\0*$/, '')) {
    case 'sha256':
      return 'sha256';
    case 'sha512':
      return 'sha512';
    default:
      throw refused(
        `must name sha256 or sha512, got ${JSON.stringify(field.replace(/\0[^]*$/, ''))}`,
      );
  }
}

function blockSize(kind: string, bytes: number): number {
  const isPowerOfTwo = (bytes & (bytes - 1)) === 0;
  if (isPowerOfTwo && bytes >= MIN_BLOCK_BYTES && bytes <= MAX_BLOCK_BYTES) return bytes;
  throw refused(
    `must have ${kind} blocks of a power of two from ${MIN_BLOCK_BYTES} to ${MAX_BLOCK_BYTES} bytes, got ${bytes}`,
  );
}

function blockCount(blocks: bigint, size: number): number {
  const count = Number(blocks);
  if (count > 0 && Number.isSafeInteger(count * size)) return count;
  throw refused(`must count the data blocks, got ${blocks}`);
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function refused(what: string): VerityError {
  return new VerityError('verity/superblock', `dm-verity superblock ${what}`);
}
