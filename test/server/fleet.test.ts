import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { applyToPlan } from '../../core/plan.ts';
import type { Plan } from '../../core/plan.ts';
import type { Rollout } from '../../core/rollout.ts';
import { legalVerbs } from '../../core/verb.ts';
import type { Verb } from '../../core/verb.ts';
import { Fleet, planInForce } from '../../server/fleet.ts';
import type { AcceptedVerb, Published } from '../../server/fleet.ts';
import { exampleRepository } from '../support/example-repository.ts';
import {
  planOf,
  releaseOf,
  START,
  startedRollout,
  startVerb,
  verbOf,
} from '../support/rollouts.ts';

describe('planInForce', () => {
  const release = releaseOf('1.1.0');
  const rollout = startedRollout(release);

  it('applies pending verbs in their order', () => {
    const paused = verbOf('pause', rollout, START);
    const resumed = verbOf('resume', rollout, START);
    expect(planInForce(planOf([rollout]), [paused, resumed]).rollouts[0]?.state).toBe('running');
    expect(planInForce(planOf([]), [startVerb(release), paused]).rollouts[0]?.state).toBe('paused');
  });

  it('changes nothing by verbs that are committed already', () => {
    const paused = verbOf('pause', rollout, START);
    const committed = planInForce(planOf([rollout]), [paused]);
    expect(planInForce(committed, [paused])).toEqual(committed);
  });

  it('passes over verbs that are not legal any more', () => {
    const withdrawn = verbOf('withdraw', rollout, START);
    const paused = verbOf('pause', rollout, START);
    const [after] = planInForce(planOf([rollout]), [withdrawn, paused]).rollouts;
    expect(after?.state).toBe('withdrawn');
  });

  it('does nothing more for verbs that come before one which is committed', () => {
    const [paused, again] = [verbOf('pause', rollout, START), verbOf('pause', rollout, START)];
    const resumed = verbOf('resume', rollout, START);
    const committed = planInForce(planOf([rollout]), [again]);
    expect(planInForce(committed, [paused, resumed, again])).toEqual(committed);
  });
});

/** The verbs of a database, the manifest of a repository, and servers that hear of them in any order. */
class World {
  readonly #fleets: readonly Fleet[];
  readonly #stored: AcceptedVerb[] = [];
  #published: Published;
  /** What operators were promised: the plan after each number of accepted verbs. */
  readonly truths: Plan[];
  /** Of each server, how many verbs it has heard of. */
  readonly heard: number[];

  constructor(published: Published, servers: number) {
    this.#published = published;
    this.#fleets = Array.from({ length: servers }, () => new Fleet(published, []));
    this.truths = [planInForce(published, [])];
    this.heard = this.#fleets.map(() => 0);
  }

  planOf(server: number): Plan {
    const { rollouts, fleet } = this.#fleet(server).view;
    return { rollouts, fleet };
  }

  learn(server: number): void {
    this.#fleet(server).learn(this.#stored.filter((one) => this.#isAskedFor(server, one)));
    this.heard[server] = this.#stored.length;
  }

  /** One verb alone that it has heard of before, as it stands now. */
  hearAgain(server: number, index: number): void {
    const known = this.#stored.slice(0, this.heard[server]);
    const one = known[index % known.length];
    if (one !== undefined && one.status === 'pending') this.#fleet(server).learn([one]);
  }

  accept(server: number, make: (rollouts: readonly Rollout[]) => Verb | null): void {
    this.learn(server);
    const plan = this.planOf(server);
    const verb = make(plan.rollouts);
    if (verb === null) return;
    const sequence = this.#stored.length + 1;
    this.#stored.push({ sequence, verb, status: 'pending' });
    this.truths.push(applyToPlan(plan, verb));
    this.learn(server);
  }

  /** One server commits what waits, and dies when it has told what became of some. */
  commit(server: number, told: number): void {
    this.learn(server);
    const { pending } = this.#fleet(server).view;
    const plan = planInForce(this.#published, pending);
    this.#published = { ...this.#published, ...plan };
    this.#fleet(server).publish(this.#published);
    for (const { id } of pending.slice(0, told)) {
      const index = this.#stored.findIndex(({ verb }) => verb.id === id);
      const finished = this.#stored.map((one, at) =>
        at === index ? { ...one, status: 'committed' as const } : one,
      );
      this.#stored.splice(0, Infinity, ...finished);
    }
  }

  follow(server: number): void {
    const fleet = this.#fleet(server);
    const committed = fleet.view.accepted.filter(({ status }) => status === 'committed');
    fleet.publish(this.#published, new Set(committed.map(({ verb }) => verb.id)));
  }

  /** As a server asks its database. */
  #isAskedFor(server: number, { sequence, status }: AcceptedVerb): boolean {
    const [oldest] = this.#fleet(server).view.accepted;
    const behind = Math.min(this.heard[server] ?? 0, (oldest?.sequence ?? Infinity) - 1);
    return status === 'pending' || sequence > behind;
  }

  #fleet(server: number): Fleet {
    const fleet = this.#fleets[server];
    if (fleet === undefined) throw new Error(`there is no server ${server}`);
    return fleet;
  }
}

describe('a fleet of servers', () => {
  const servers = fc.nat(2);
  const release = releaseOf('1.1.0');
  const made = (rollouts: readonly Rollout[], index: number): Verb | null => {
    const [rollout] = rollouts;
    if (rollout === undefined) return startVerb(release);
    const legal = legalVerbs(rollout, START).filter(
      (kind) => kind === 'pause' || kind === 'resume',
    );
    const kind = legal[index % legal.length];
    return kind === 'pause' || kind === 'resume' ? verbOf(kind, rollout, START) : null;
  };
  const steps = fc.oneof(
    fc.tuple(servers, fc.nat(3)).map(([server, index]) => (world: World) => {
      world.accept(server, (rollouts) => made(rollouts, index));
    }),
    servers.map((server) => (world: World) => {
      world.learn(server);
    }),
    servers.map((server) => (world: World) => {
      world.follow(server);
    }),
    fc.tuple(servers, fc.nat(3)).map(([server, index]) => (world: World) => {
      world.hearAgain(server, index);
    }),
    fc.tuple(servers, fc.nat(3)).map(([server, told]) => (world: World) => {
      world.commit(server, told);
    }),
  );

  it('obeys all that each of them has heard of, in the order of acceptance, whatever is committed and read meanwhile', async () => {
    const { repository } = await exampleRepository(createMemoryStorage());
    const published = { ...planOf([]), auditHead: null, state: await repository.load() };
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 40 }), (run) => {
        const world = new World(published, 3);
        for (const step of run) {
          step(world);
          for (const [server, heard] of world.heard.entries()) {
            // What it has not heard of it may have read in the manifest.
            const possible = world.truths.slice(heard).map(({ rollouts }) => rollouts);
            expect(possible).toContainEqual(world.planOf(server).rollouts);
          }
        }
      }),
      { seed: 1, numRuns: 400 },
    );
  });
});
