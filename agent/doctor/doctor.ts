import type { AgentContext } from '../context.ts';
import type { SlotsState } from '../slots/slots.ts';
import type { VerifiedRepository } from '../tuf/client.ts';
import { attempt, bad, checking, good } from './check.ts';
import type { Check } from './check.ts';
import { checkClock } from './clock.ts';
import { checkOutputs, checkPrograms } from './programs.ts';
import { checkServer, ScratchRepository } from './reach.ts';
import { checkSlots } from './slots.ts';
import { checkReports, checkState } from './state-folder.ts';
import { checkAnchor, checkExpiries } from './trust.ts';
import { checkImages, checkSpace, wantedRelease } from './wanted.ts';

/**
 * Looks at all that the agent depends on, and changes nothing but that it holds the lock for a moment; an agent may be at
 * work meanwhile. `searchPath` is where programs without a folder are looked for.
 */
export async function examine(
  context: AgentContext,
  searchPath: string,
): Promise<readonly Check[]> {
  const { config, slots } = context;
  const { check: server, date } = await checkServer(context);
  const found = await attempt('slots', () => slots.read());
  return [
    ...(await checking('state', () => checkState(context))),
    ...(await checking('clock', () => checkClock(context, date))),
    server,
    ...(found.kind === 'failed'
      ? [found.check]
      : await checking('slots', () => checkSlots(context, found.value))),
    ...(await checking('metadata', () =>
      checkRepository(context, found.kind === 'done' ? found.value : null),
    )),
    ...(await checking('reports', () => checkReports(context))),
    ...(await checkPrograms(config, searchPath)),
    ...(await checkOutputs(config)),
  ];
}

async function checkRepository(
  context: AgentContext,
  found: SlotsState | null,
): Promise<readonly Check[]> {
  await using scratch = await ScratchRepository.copyOf(context.config.stateFolder);
  const folder = scratch.trustFolder;
  const repository = await attempt('metadata', () => scratch.refresh(context));
  // The newest root is known only now.
  const anchor = await checking('anchor', () => checkAnchor(context, folder));
  if (repository.kind === 'failed') return [...anchor, repository.check];
  const soon = await checkExpiries(context, folder);
  return [
    ...anchor,
    ...(soon.length > 0 ? soon : [good('metadata', 'verified from the trust anchor on')]),
    ...(await checking('targets', () => checkRelease(context, repository.value, found))),
  ];
}

async function checkRelease(
  context: AgentContext,
  repository: VerifiedRepository,
  found: SlotsState | null,
): Promise<readonly Check[]> {
  const running = found?.active?.release.version ?? null;
  const release = await wantedRelease(context, repository, running);
  if (release === null) return [good('targets', 'the manifest can be had; no release is offered')];
  return [
    ...(await checkImages(context, repository, release)),
    ...(found === null ? [] : await checking('space', () => checkSpace(context, release, found))),
  ];
}

/** What a configuration that cannot be read comes to: nothing else can be looked at. */
export function unreadable(message: string): readonly Check[] {
  return [bad('configuration', message, 'correct it; nothing else can be looked at before')];
}
