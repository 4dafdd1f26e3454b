import { z } from 'zod';
import { ExpectedError } from '../core/errors.ts';
import { formatInstant } from '../core/instant.ts';
import type { ExpiryPolicy } from '../core/tuf/lifetimes.ts';
import type { Signer } from '../adapters/signing/signer.ts';
import type { Replicas, ReplicaStatus } from '../adapters/state/replicas.ts';
import type { State } from '../adapters/state/state.ts';
import type { Fleet } from './fleet.ts';
import { dueForPeople } from './renewal.ts';
import type { RepositoryLink } from './repository-link.ts';
import { clockError } from './steady-clock.ts';
import type { SteadyClock } from './steady-clock.ts';

const checkSchema = z.object({ ok: z.boolean(), detail: z.string() });
export type Check = z.infer<typeof checkSchema>;

/** Body of `GET /readyz`. */
export const readinessSchema = z.object({
  ready: z.boolean(),
  checks: z.object({
    clock: checkSchema,
    database: checkSchema,
    replicas: checkSchema,
    storage: checkSchema,
    outbox: checkSchema,
    timestamp: checkSchema,
    roles: checkSchema,
  }),
});
export type Readiness = z.infer<typeof readinessSchema>;

/** A verb that waits longer than this to be committed waits for a person. */
const OUTBOX_PATIENCE_MS = 30_000;

/** Whether all is well, and what is not; polls are answered in any case. */
export async function readinessOf(options: {
  readonly state: Pick<State, 'pendingVerbs' | 'failingWrite'>;
  readonly clock: Pick<SteadyClock, 'doubt'>;
  readonly replicas: Pick<Replicas, 'status'>;
  readonly fleet: Fleet;
  readonly link: Pick<RepositoryLink, 'contact'>;
  readonly signers: readonly Signer[];
  readonly expiry: ExpiryPolicy;
  readonly now: Date;
}): Promise<Readiness> {
  const { state, fleet, link, now } = options;
  const checks = {
    clock: clockCheck(options.clock),
    database: await databaseCheck(state),
    replicas: replicasCheck(options.replicas),
    storage: storageCheck(link),
    outbox: outboxCheck(fleet, now),
    timestamp: timestampCheck(fleet, now),
    roles: rolesCheck(options),
  };
  return { ready: Object.values(checks).every(({ ok }) => ok), checks };
}

function clockCheck(clock: Pick<SteadyClock, 'doubt'>): Check {
  const doubt = clock.doubt();
  return doubt === null
    ? { ok: true, detail: 'it goes as it should' }
    : { ok: false, detail: describe(clockError(doubt)) };
}

async function databaseCheck(state: Pick<State, 'pendingVerbs' | 'failingWrite'>): Promise<Check> {
  try {
    await state.pendingVerbs();
    const { failingWrite } = state;
    return failingWrite === null
      ? { ok: true, detail: 'it answers' }
      : { ok: false, detail: describe(failingWrite) };
  } catch (error) {
    return { ok: false, detail: describe(error) };
  }
}

const REPLICA_DETAILS: Readonly<Record<ReplicaStatus, string>> = {
  alone: 'no other server shares the database',
  leads: 'this server leads',
  follows: 'another server leads',
  disconnected: 'the session that hears of other servers is lost',
};

function replicasCheck({ status }: Pick<Replicas, 'status'>): Check {
  return { ok: status !== 'disconnected', detail: REPLICA_DETAILS[status] };
}

function storageCheck({ contact }: Pick<RepositoryLink, 'contact'>): Check {
  const at = formatInstant(contact.at);
  return contact.kind === 'ok'
    ? { ok: true, detail: `last contact ${at}` }
    : { ok: false, detail: `failed ${at}: ${describe(contact.error)}` };
}

function outboxCheck({ view }: Fleet, now: Date): Check {
  const [oldest] = view.pending;
  const waitedMs = oldest === undefined ? 0 : now.getTime() - oldest.at.getTime();
  return {
    ok: waitedMs <= OUTBOX_PATIENCE_MS,
    detail: `${view.pending.length} verbs wait to be committed`,
  };
}

function timestampCheck({ view }: Fleet, now: Date): Check {
  const { expires } = view.published.state.timestamp;
  return { ok: new Date(expires) > now, detail: `expires ${expires}` };
}

/** What only people can renew. Long before it expires they are told; once it has, hosts refuse everything under it. */
function rolesCheck({
  fleet,
  signers,
  expiry,
  now,
}: {
  readonly fleet: Fleet;
  readonly signers: readonly Signer[];
  readonly expiry: ExpiryPolicy;
  readonly now: Date;
}): Check {
  const { state } = fleet.view.published;
  const due = dueForPeople(state, { signers, now, policy: expiry });
  const list = due.map(({ role, expires }) => `${role} expires ${formatInstant(expires)}`);
  return {
    ok: due.every(({ isExpired }) => !isExpired),
    detail:
      due.length === 0
        ? 'none waits to be renewed by people'
        : `to be renewed by people: ${list.join(', ')}`,
  };
}

/** What was not foreseen may hold anything, so it is only logged. */
function describe(error: unknown): string {
  return error instanceof ExpectedError ? `${error.code}: ${error.message}` : 'server/bug';
}
