import { ExpectedError } from '../core/errors.ts';

export type PackageErrorCode =
  /** No Node for hosts is installed here. */
  | 'package/no-node'
  /** A package of the bundle says nowhere under which terms it may be given away. */
  | 'package/license'
  /** It is not known which time files of the package shall have. */
  | 'package/date'
  /** A program that makes a part of the package failed. */
  | 'package/tool';

export class PackageError extends ExpectedError<PackageErrorCode> {}
