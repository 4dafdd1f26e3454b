import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Io } from '../../adapters/terminal/io.ts';
import {
  formatProposal,
  MAX_PROPOSAL_BYTES,
  mergeProposals,
  parseProposal,
} from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { parseRoot } from '../../core/tuf/metadata.ts';
import type { RootMetadata } from '../../core/tuf/metadata.ts';
import { UsageError } from '../usage.ts';

/** One proposal from the files that came back from the people who signed. Throws ProposalError if they are different ones. */
export async function readProposals(io: Io, paths: readonly string[]): Promise<Proposal> {
  const [first, ...others] = await Promise.all(paths.map((path) => readProposal(io, path)));
  if (first === undefined) throw new UsageError('usage/option', '--in must name a proposal file');
  return others.reduce(mergeProposals, first);
}

/** Writes a new file; what is there is never overwritten. */
export async function writeNewProposal(io: Io, path: string, proposal: Proposal): Promise<void> {
  try {
    await using file = await open(resolve(io.cwd, path), 'wx');
    await file.writeFile(formatProposal(proposal));
    await file.sync();
  } catch (cause) {
    throw new UsageError('usage/file', `--out: ${path} exists, or cannot be written`, { cause });
  }
}

/** Replaces the file in one step: a stick that is pulled out holds the old proposal or the new one. */
export async function replaceProposal(io: Io, path: string, proposal: Proposal): Promise<void> {
  const whole = resolve(io.cwd, path);
  const temporary = `${whole}.${randomUUID()}.tmp`;
  try {
    await using file = await open(temporary, 'wx');
    await file.writeFile(formatProposal(proposal));
    await file.sync();
    await rename(temporary, whole);
  } catch (cause) {
    throw new UsageError('usage/file', `${path} cannot be written`, { cause });
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The root of --root, which the person has from elsewhere; null without the option. Its signatures are not judged. */
export async function readTrustedRoot(
  io: Io,
  path: string | undefined,
): Promise<RootMetadata | null> {
  if (path === undefined) return null;
  const bytes = await readBytes(io, '--root', path);
  return parseRoot(bytes, path).signed;
}

async function readProposal(io: Io, path: string): Promise<Proposal> {
  return parseProposal(await readBytes(io, '--in', path));
}

async function readBytes(io: Io, option: string, path: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(resolve(io.cwd, path));
    if (bytes.length <= MAX_PROPOSAL_BYTES) return bytes;
  } catch (cause) {
    throw new UsageError('usage/file', `${option}: cannot read ${path}`, { cause });
  }
  throw new UsageError('usage/file', `${option}: ${path} is too long`);
}
