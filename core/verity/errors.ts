import { ExpectedError } from '../errors.ts';

export class VerityError extends ExpectedError<
  /** The hash image does not begin with a dm-verity superblock, or with one that asks for what is not supported. */
  | 'verity/superblock'
  /** Fewer bytes than the superblock says. */
  | 'verity/size'
  /** Bytes that no hash covers, and that are not zero. */
  | 'verity/padding'
  /** A block of the hash tree is not the one that the root hash stands for. */
  | 'verity/hash-block'
  /** A block of the data is not the one that the root hash stands for. */
  | 'verity/data-block'
> {}
