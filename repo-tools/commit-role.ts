import { pause } from '../adapters/repository/patience.ts';
import type { Patience } from '../adapters/repository/patience.ts';
import type {
  EditPlan,
  Repository,
  RoleEdit,
  StoredRole,
} from '../adapters/repository/repository.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import { ExpectedError } from '../core/errors.ts';
import { commitAnswerSchema, refreshAnswerSchema } from '../core/operator-api.ts';
import { callServer, RefusedError, ServerError } from './control/call.ts';
import type { ServerTarget } from './control/call.ts';

/** Others changed the role again and again before this change could be committed. */
export class CommitRoleError extends ExpectedError<'commit/contended'> {}

/** Publishes what the edit makes of a role; when it resolves, hosts can see it. */
export type CommitRole = (role: string, edit: RoleEdit) => Promise<void>;

/** How often a change is made anew because somebody else changed the same role first. */
const MAX_REBASES = 20;
/** How often one request is sent when no answer comes. */
const MAX_SENDS = 6;

/** By who holds the online keys too. */
export function commitDirectly(repository: Repository, signers: readonly Signer[]): CommitRole {
  return async (role, edit) => {
    await repository.commit({ signers, edit: () => ({ roles: new Map([[role, edit]]) }) });
  };
}

/** By nobody: the plan of what would be committed is shown instead. */
export function commitNothing(
  repository: Repository,
  onPlan: (plan: EditPlan) => void,
): CommitRole {
  return async (role, edit) => {
    onPlan(await repository.plan(() => ({ roles: new Map([[role, edit]]) })));
  };
}

/**
 * By who holds only the role's keys: the signed file is stored where no host sees it, and the server is asked to publish
 * it. Whatever it throws, running the same command again is safe.
 */
export function commitThroughServer(
  repository: Repository,
  {
    signers,
    server,
    patience = {},
  }: {
    readonly signers: readonly Signer[];
    readonly server: ServerTarget;
    readonly patience?: Patience;
  },
): CommitRole {
  return async (role, edit) => {
    for (let attempt = 1; attempt <= MAX_REBASES; attempt += 1) {
      const stored = await repository.storeRole({ role, edit, signers });
      if (stored === null) return;
      if ((await askToPublish(stored, server, patience)) === 'published') return;
      await pause(attempt, patience);
    }
    throw new CommitRoleError(
      'commit/contended',
      `role ${role}: others changed it first ${MAX_REBASES} times in a row`,
      { hints: ['run the same command again: what is uploaded is not sent again'] },
    );
  };
}

/** Before gigabytes are sent: does the server answer, and is the token right? */
export async function greetServer(server: ServerTarget): Promise<void> {
  await callServer(server, { method: 'POST', path: 'repository/refresh' }, refreshAnswerSchema);
}

/** The request names exactly one file, so that sending it twice publishes it once. */
async function askToPublish(
  body: StoredRole,
  server: ServerTarget,
  patience: Patience,
): Promise<'published' | 'moved-on'> {
  const call = { method: 'POST' as const, path: 'repository/commit', body };
  for (let attempt = 1; ; attempt += 1) {
    try {
      await callServer(server, call, commitAnswerSchema);
      return 'published';
    } catch (error) {
      if (error instanceof RefusedError && error.problem.code === 'repository/moved-on') {
        return 'moved-on';
      }
      if (!isPassing(error) || attempt === MAX_SENDS) throw error;
    }
    await pause(attempt, patience);
  }
}

/** A server that restarts, or that cannot reach its storage for a moment. */
function isPassing(error: unknown): boolean {
  if (error instanceof RefusedError) return error.problem.status === 503;
  return error instanceof ServerError && error.code === 'server/unreachable';
}
