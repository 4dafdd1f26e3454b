import { ExpectedError } from '../../core/errors.ts';

export type RepositoryErrorCode =
  /** The storage holds no finished repository. */
  | 'repository/not-there'
  /** The storage holds a repository, or an unfinished one of other keys. */
  | 'repository/exists'
  /** An object that signed metadata names is missing or is not what the metadata says. */
  | 'repository/damaged'
  /** Too few of the keys that a role needs are at hand. */
  | 'repository/signers'
  /** Signing this role would vouch for content that none of the given keys ever signed. */
  | 'repository/untrusted'
  /** Two variants of which one would own target names of the other. */
  | 'repository/names'
  /** What was made on top of an earlier state no longer fits on what is published. */
  | 'repository/moved-on'
  /** A new root is published, and what must be signed by its keys is not yet. */
  | 'repository/half-applied'
  /** No such role is delegated. */
  | 'repository/role'
  /** No such target is published, or a listed one was never uploaded. */
  | 'repository/target'
  /** A file is larger than TUF clients, or the caller, accept. */
  | 'repository/too-large'
  /** What was uploaded is not what was announced; nothing is left behind. */
  | 'repository/upload'
  /** The clock that would date what is signed is wrong, or the repository's own dates are. */
  | 'repository/clock'
  /** Others committed again and again before this commit could. */
  | 'repository/contended'
  /** The storage went away at the one moment that decides: the commit may or may not have happened. */
  | 'repository/unknown-outcome';

export class RepositoryError extends ExpectedError<RepositoryErrorCode> {}
