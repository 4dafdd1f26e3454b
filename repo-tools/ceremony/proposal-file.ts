import { randomUUID } from 'node:crypto';
import { link, lstat, open, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import {
  fingerprintOf,
  formatProposal,
  MAX_PROPOSAL_BYTES,
  mergeProposals,
  parseProposal,
} from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { parseRoot } from '../../core/tuf/metadata.ts';
import type { RootMetadata } from '../../core/tuf/metadata.ts';
import { readOptionBytes, UsageError } from '../usage.ts';

/** One proposal from the files that came back from the people who signed. Throws ProposalError if they are different ones. */
export async function readProposals(io: Io, paths: readonly string[]): Promise<Proposal> {
  const [first, ...others] = await Promise.all(paths.map((path) => readProposal(io, path)));
  if (first === undefined) throw new UsageError('usage/option', '--in must name a proposal file');
  return others.reduce(mergeProposals, first);
}

/** Writes a new file; what is there is never overwritten. */
export async function writeNewProposal(io: Io, path: string, proposal: Proposal): Promise<void> {
  const whole = resolve(io.cwd, path);
  const temporary = `${whole}.${randomUUID()}.tmp`;
  try {
    await writeSynced(temporary, proposal);
    await nameIfFree(temporary, whole);
  } catch (cause) {
    throw new UsageError('usage/file', `--out: ${path} exists, or cannot be written`, { cause });
  } finally {
    await rm(temporary, { force: true });
  }
}

/** As `writeNewProposal`, but a file that holds this very proposal, with whatever signatures, will do. */
export async function ensureProposalFile(io: Io, path: string, proposal: Proposal): Promise<void> {
  const isThere = await readProposal(io, path).then(
    (found) => fingerprintOf(found) === fingerprintOf(proposal),
    () => false,
  );
  if (!isThere) await writeNewProposal(io, path, proposal);
}

/** Replaces the file in one step: a stick that is pulled out holds the old proposal or the new one. */
export async function replaceProposal(io: Io, path: string, proposal: Proposal): Promise<void> {
  const whole = resolve(io.cwd, path);
  const temporary = `${whole}.${randomUUID()}.tmp`;
  try {
    await writeSynced(temporary, proposal);
    await rename(temporary, whole);
  } catch (cause) {
    throw new UsageError('usage/file', `${path} cannot be written`, { cause });
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeSynced(path: string, proposal: Proposal): Promise<void> {
  await using file = await open(path, 'wx');
  await file.writeFile(formatProposal(proposal));
  await file.sync();
}

/** In one step, so that nobody ever finds half a file; a stick's file system may have no hard links. */
async function nameIfFree(temporary: string, whole: string): Promise<void> {
  try {
    await link(temporary, whole);
  } catch (error) {
    const isThere = await lstat(whole).then(
      () => true,
      () => false,
    );
    if (isThere || errnoOf(error) === 'EEXIST') throw error;
    await rename(temporary, whole);
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
  const bytes = await readOptionBytes(io, option, path);
  if (bytes.length <= MAX_PROPOSAL_BYTES) return bytes;
  throw new UsageError('usage/file', `${option}: ${path} is too long`);
}
