import { ExpectedError } from '../errors.ts';

export type FleetErrorCode =
  /** Neither TOML nor YAML, or not a table of rules. */
  | 'fleet/format'
  | 'fleet/unknown-key'
  /** A value of the wrong type or out of range; the message says which and what it got. */
  | 'fleet/value'
  /** Two rules that cannot both hold. */
  | 'fleet/contradiction';

/** The rules of the fleet make no sense. */
export class FleetError extends ExpectedError<FleetErrorCode> {}
