import { ExpectedError } from '../errors.ts';

export type TufErrorCode =
  /** Not JSON, or not the shape that the TUF specification and our profile give it. */
  | 'tuf/format'
  /** A key of another kind, size or encoding than the profile allows. */
  | 'tuf/key'
  /** Fewer keys of the role than its threshold signed these bytes. */
  | 'tuf/threshold'
  | 'tuf/expired'
  /** Another version than the parent metadata or the order of versions demands. */
  | 'tuf/version'
  /** Another length than the parent metadata names. */
  | 'tuf/length'
  /** Another hash than the parent metadata names. */
  | 'tuf/hash'
  /** A variant, arch, version, image, role or target name that the naming scheme does not allow. */
  | 'tuf/name'
  /** The target name is taken by other bytes. */
  | 'tuf/target-exists'
  /** Metadata breaks a rule of the profile. */
  | 'tuf/profile';

export class TufError extends ExpectedError<TufErrorCode> {}
