import { createHash, timingSafeEqual } from 'node:crypto';
import { parse, stringify, TomlError } from 'smol-toml';
import { z } from 'zod';
import { ExpectedError } from './errors.ts';

export class OperatorsError extends ExpectedError<'operators/invalid'> {}

/**
 * What an operator may do: see everything; have role files committed; start rollouts; give the verb `pause`; give every other
 * verb and change the rules of the fleet. None contains another.
 */
export const RIGHTS = ['read', 'publish', 'start', 'pause', 'steer'] as const;
export type Right = (typeof RIGHTS)[number];

export type Operator = {
  /** As the history and the audit log name it. */
  readonly name: string;
  /** Hex. The server does not keep tokens of others. */
  readonly tokenSha256: string;
  readonly rights: readonly Right[];
};

/** Who holds the token that the server made itself. */
const FIRST = 'operator';
/** Names that stand for somebody else in the history. */
const TAKEN: readonly string[] = [FIRST, 'server'];

const NAME = /^[a-z0-9][a-z0-9._@-]{0,63}$/i;

const fileSchema = z.record(
  z.string(),
  z.strictObject({
    'token-sha256': z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex'),
    rights: z
      .array(z.enum(RIGHTS))
      .min(1)
      .default([...RIGHTS]),
  }),
);

/** Whoever has the server's own token: it may do all. */
export function firstOperator(token: string): Operator {
  return { name: FIRST, tokenSha256: tokenDigest(token), rights: RIGHTS };
}

/** Reads a table for each operator, with `token-sha256` and `rights` (all by default). Throws OperatorsError. */
export function parseOperators(text: string): readonly Operator[] {
  const result = fileSchema.safeParse(readToml(text));
  if (!result.success) throw invalid(z.prettifyError(result.error));
  const operators = Object.entries(result.data).map(
    ([name, { 'token-sha256': tokenSha256, rights }]) => ({ name, tokenSha256, rights }),
  );
  const seen = new Map<string, string>();
  for (const { name, tokenSha256 } of operators) {
    if (!NAME.test(name)) {
      throw invalid(`${JSON.stringify(name)} must be a name like alice or ci@example.org`);
    }
    if (TAKEN.includes(name)) throw invalid(`${name} is the name of somebody else`);
    const other = seen.get(tokenSha256);
    if (other !== undefined) throw invalid(`${other} and ${name} have the same token`);
    seen.set(tokenSha256, name);
  }
  return operators;
}

/** The table of one operator, as `parseOperators` reads it; the rights are not looked at. */
export function formatOperator({
  name,
  tokenSha256,
  rights,
}: Pick<Operator, 'name' | 'tokenSha256'> & { readonly rights: readonly string[] }): string {
  return `${stringify({ [name]: { 'token-sha256': tokenSha256, rights: [...rights] } })}\n`;
}

/** Who has this token, or null. It takes the same time whatever the guess has in common with a token. */
export function operatorWith(guess: string, operators: readonly Operator[]): Operator | null {
  const digest = Buffer.from(tokenDigest(guess), 'hex');
  const found = operators.filter(({ tokenSha256 }) =>
    timingSafeEqual(digest, Buffer.from(tokenSha256, 'hex')),
  );
  return found[0] ?? null;
}

/** What the server knows of a token: SHA-256 in hex. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function readToml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof TomlError) throw invalid(error.message.trim());
    throw error;
  }
}

function invalid(what: string): OperatorsError {
  return new OperatorsError('operators/invalid', `the operators' file: ${what}`);
}
