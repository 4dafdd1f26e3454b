import { access, constants, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import type { AgentContext } from '../context.ts';
import { onDisk } from '../on-disk.ts';
import { asOnlyAgent } from '../lock.ts';
import { TrustedStore } from '../tuf/trusted-store.ts';
import { attempt, bad, good, warning } from './check.ts';
import type { Check } from './check.ts';

const MOST_REPORTS_UNNOTICED = 10;

/** Whether the agent can keep what it must not forget, and what of it was damaged. Changes nothing. */
export async function checkState({
  config,
  journal,
}: Pick<AgentContext, 'config' | 'journal'>): Promise<readonly Check[]> {
  const { stateFolder } = config;
  const errno = await refusal(stateFolder);
  if (errno === 'ENOENT') return checkParent(stateFolder);
  if (errno !== null) {
    const advice =
      'give it to the user that the agent runs as, on a file system that can be written';
    return [bad('state', `${stateFolder} cannot be written: ${errno}`, advice)];
  }
  const { mode } = await onDisk(`reading ${stateFolder}`, () => stat(stateFolder));
  const lock = await checkLock(stateFolder);
  if (lock?.status === 'failed') return [lock];
  const { isDamaged } = await journal.read();
  const { damaged } = await new TrustedStore(join(stateFolder, 'tuf')).read();
  const found = [
    ...((mode & 0o022) === 0
      ? []
      : [bad('state', `others may write in ${stateFolder}`, `chmod go-w ${stateFolder}`)]),
    ...(isDamaged
      ? [
          warning(
            'state',
            `the journal in ${stateFolder} is damaged: the next cycle goes by the slots`,
            'run `tidegate agent once`, and see whether the disk fails',
          ),
        ]
      : []),
    ...damaged.map((file) =>
      warning(
        'state',
        `${file} is damaged or lost: what it remembered protects no more against older metadata`,
        'run `tidegate agent once`, and see whether the disk fails',
      ),
    ),
  ];
  if (found.length > 0) return [...found, ...(lock === null ? [] : [lock])];
  return [lock ?? good('state', `${stateFolder} can be written`)];
}

/** Null if no agent is at work; tried for a moment, because nothing else tells whether the file system knows locks. */
async function checkLock(stateFolder: string): Promise<Check | null> {
  const attempted = await attempt('state', () => asOnlyAgent(stateFolder, async () => true));
  if (attempted.kind === 'done') return null;
  return attempted.code === 'agent/locked'
    ? good('state', `an agent is at work on ${stateFolder}`)
    : attempted.check;
}

/** The first cycle makes the folder, if it can. */
async function checkParent(folder: string): Promise<readonly Check[]> {
  let parent = dirname(folder);
  let errno = await refusal(parent);
  while (errno === 'ENOENT') {
    parent = dirname(parent);
    errno = await refusal(parent);
  }
  return errno === null
    ? [good('state', `${folder} is made by the first cycle`)]
    : [bad('state', `${folder} cannot be made: ${errno} for ${parent}`, 'make the folder')];
}

/** Whether reports go out, or pile up until the oldest are dropped. */
export async function checkReports({
  reports,
  keepsReports,
}: Pick<AgentContext, 'reports' | 'keepsReports'>): Promise<readonly Check[]> {
  if (await reports.isDamaged()) {
    const message = 'the queue of reports is damaged: what was in it is lost';
    return [warning('reports', message, 'see whether the disk fails')];
  }
  const { length } = await reports.pending();
  if (length === 0) return [good('reports', 'no report waits')];
  if (!keepsReports) {
    const message = `${length} reports wait, and there is no server`;
    return [warning('reports', message, 'name the server that they are for in [server]')];
  }
  const message = `${length} reports wait for the server`;
  return length < MOST_REPORTS_UNNOTICED
    ? [good('reports', message)]
    : [warning('reports', message, 'see why the server does not take them')];
}

/** The errno of not being allowed to write there, or null. */
export async function refusal(folder: string): Promise<string | null> {
  try {
    if (!(await stat(folder)).isDirectory()) return 'ENOTDIR';
    await access(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    return errnoOf(error) ?? 'unknown';
  }
}
