import {
  fingerprintOf,
  formatProposal,
  MAX_PROPOSAL_BYTES,
  parseProposal,
  ProposalError,
} from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import type { Storage } from '../storage/storage.ts';
import { createObject, findObject } from './objects.ts';

/** Where the one open proposal of a repository lies; hosts never look there. */
export const PROPOSAL_OBJECT = 'proposals/open.json';

/** The proposal that is open in this repository, as it was proposed, or null. */
export async function findOpenProposal(storage: Storage): Promise<Proposal | null> {
  const found = await findObject(storage, PROPOSAL_OBJECT, MAX_PROPOSAL_BYTES);
  return found === null ? null : parseProposal(found.bytes);
}

/** Opens a proposal, so that nobody proposes another one meanwhile. The same one again is fine; else `proposal/open`. */
export async function openProposal(storage: Storage, proposal: Proposal): Promise<void> {
  if (await createObject(storage, PROPOSAL_OBJECT, formatProposal(proposal))) return;
  const open = await findOpenProposal(storage);
  if (open !== null && fingerprintOf(open) === fingerprintOf(proposal)) return;
  throw new ProposalError(
    'proposal/open',
    open === null
      ? 'another proposal was open a moment ago'
      : `proposal ${open.id} of ${open.by} is open: ${open.reason}`,
    { hints: ['tidegate repo root apply or cancel ends it; there is one at a time'] },
  );
}

/** Throws `proposal/not-open` unless this very proposal is open. */
export async function requireOpen(storage: Storage, proposal: Proposal): Promise<void> {
  const open = await findOpenProposal(storage);
  if (open !== null && fingerprintOf(open) === fingerprintOf(proposal)) return;
  throw new ProposalError(
    'proposal/not-open',
    open === null
      ? `proposal ${proposal.id} is not open: it was applied or cancelled`
      : `proposal ${proposal.id} is not open, but ${open.id} of ${open.by} is`,
  );
}

/** Ends the proposal that is open, if any. */
export async function closeProposal(storage: Storage): Promise<void> {
  await storage.delete(PROPOSAL_OBJECT);
}
