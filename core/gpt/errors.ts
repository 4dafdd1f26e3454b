import { ExpectedError } from '../errors.ts';

export type GptErrorCode =
  /** A copy of the table that no boot loader may trust: its checksum, its place or its parts do not hold. */
  | 'gpt/damaged'
  /** The partitions are no two sets, or nobody can tell which belong together. */
  | 'gpt/sets'
  /** The slots' bits do not allow the step that was asked for. */
  | 'gpt/refused';

export class GptError extends ExpectedError<GptErrorCode> {}
