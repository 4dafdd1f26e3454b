import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Io } from '../adapters/terminal/io.ts';
import { parseDuration } from '../core/duration.ts';
import { ExpectedError } from '../core/errors.ts';
import { parseInstant } from '../core/instant.ts';

/** The command was called wrongly: exit code 2. */
export class UsageError extends ExpectedError<
  'usage/option' | 'usage/file' | 'usage/unconfirmed'
> {}

/** The value of an option that must be an RFC 3339 time. */
export function instantOption(name: string, text: string): Date {
  try {
    return parseInstant(text);
  } catch (cause) {
    throw new UsageError(
      'usage/option',
      `${name} must be an RFC 3339 time like 2026-03-01T12:00:00Z, got '${text}'`,
      { cause },
    );
  }
}

/** The value of an option that must be a duration like '3 days', in milliseconds. */
export function durationOption(name: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (cause) {
    throw new UsageError('usage/option', `${name} must be like '3 days', got '${text}'`, { cause });
  }
}

/** The value of an option that must be a whole number, 0 or more. */
export function numberOption(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError('usage/option', `${name} must be a whole number, got '${text}'`);
}

/** The value of an option that must be a whole number in a range. */
export function rangeOption(
  name: string,
  text: string,
  { from, to }: { readonly from: number; readonly to: number },
): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= from && number <= to) return number;
  throw new UsageError(
    'usage/option',
    `${name} must be a whole number from ${from} to ${to}, got '${text}'`,
  );
}

/** The bytes of a file that an option names, relative to the folder the command was called in. */
export async function readOptionBytes(io: Io, name: string, path: string): Promise<Buffer> {
  try {
    return await readFile(resolve(io.cwd, path));
  } catch (cause) {
    throw new UsageError('usage/file', `${name}: cannot read ${path}`, { cause });
  }
}

/** As `readOptionBytes`, as text. */
export async function readOptionFile(io: Io, name: string, path: string): Promise<string> {
  return (await readOptionBytes(io, name, path)).toString();
}

/** The text of the wave policy that `--policy` names, or null without the option. */
export async function readPolicyOption(io: Io, path: string | undefined): Promise<string | null> {
  return path === undefined ? null : readOptionFile(io, '--policy', path);
}

/** Prints a result: one JSON value on one line for machines, else lines for people. */
export function print(
  io: Io,
  isJson: boolean | undefined,
  json: unknown,
  lines: readonly string[],
): void {
  io.stdout.write(
    isJson === true ? `${JSON.stringify(json)}\n` : lines.map((l) => `${l}\n`).join(''),
  );
}
