import { join } from 'node:path';
import { ExpectedError } from '../../core/errors.ts';
import { commitVerbs, readManifest } from '../../adapters/repository/rollouts.ts';
import type { ManifestContent } from '../../adapters/repository/rollouts.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Repository } from '../../adapters/repository/repository.ts';
import { openState } from '../../adapters/state/open.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import type { PlanVerb } from '../../core/plan.ts';
import { MANIFEST_TARGET } from '../../core/tuf/names.ts';
import { openContext } from '../../server/context.ts';
import type { Context } from '../../server/context.ts';
import { breakable } from '../server/breakable.ts';
import type { Outage } from '../server/breakable.ts';
import { partsOf, publishReleases, serveApp, TOKEN } from '../server/setup.ts';
import { documentedAnswers } from '../support/documented-answers.ts';
import type { Answer as DocumentedAnswer } from '../support/documented-answers.ts';
import { exampleRepository, NOW } from '../support/example-repository.ts';
import type { ExampleSigners } from '../support/example-repository.ts';
import type { Objects } from '../support/memory-place.ts';
import { Life, mortal } from '../support/mortal.ts';
import type { Fault } from '../support/mortal.ts';
import { objectsOf } from '../support/objects-of.ts';
import { RELEASES } from './policy.ts';

/** What every run begins with: a repository with all releases and no rollout. */
export type Beginning = {
  readonly objects: Objects;
  readonly signers: ExampleSigners;
  /** Every answer must be documented. */
  readonly compare: (answer: DocumentedAnswer) => void;
};

export async function makeBeginning(): Promise<Beginning> {
  const storage = createMemoryStorage();
  const { repository, signers } = await exampleRepository(storage);
  await publishReleases(repository, signers, RELEASES);
  await commitVerbs(repository, { signers: [signers.online], verbs: [], now: NOW });
  return { objects: await objectsOf(storage), signers, compare: documentedAnswers() };
}

export type Answer = { readonly status: number; readonly body: unknown };

type Process = {
  readonly life: Life;
  readonly context: Context;
  readonly url: string;
  readonly outage: Outage;
  readonly resources: AsyncDisposableStack;
};

/** One real server with its database in a file and its repository in memory; it can be killed at any change and started again. */
export class World implements AsyncDisposable {
  readonly clock = { now: NOW };
  /** Told when a process died and the next one runs. */
  onRestart: () => void = () => {};
  /** How often what was met: the steps, and what became of them. */
  readonly seen = new Map<string, number>();
  readonly #beginning: Beginning;
  readonly #database: string;
  readonly #storage: Storage;
  readonly #storageOutage: Outage;
  readonly #stranger: Repository;
  #process: Process | null = null;
  /** Hits the next start of the server. */
  #faultAtStart: Fault | null = null;

  private constructor(beginning: Beginning, database: string) {
    this.#beginning = beginning;
    this.#database = database;
    const inner = createMemoryStorage(Object.entries(beginning.objects), () => NOW);
    const { resource, outage } = breakable(inner);
    this.#storage = resource;
    this.#storageOutage = outage;
    // As another program sees the repository: it fails where anything was ever published lower.
    this.#stranger = openRepository({
      storage: inner,
      now: () => this.clock.now,
      sleep: async () => {},
    });
  }

  static async open(beginning: Beginning, folder: string, name: string): Promise<World> {
    const world = new World(beginning, join(folder, `${name}.db`));
    await world.restart();
    return world;
  }

  get context(): Context {
    return this.#running().context;
  }

  get isStorageAway(): boolean {
    return this.#storageOutage.isAway;
  }

  get isDatabaseAway(): boolean {
    return this.#running().outage.isAway;
  }

  get isAway(): boolean {
    return this.isStorageAway || this.isDatabaseAway;
  }

  setAway(what: 'storage' | 'database', isAway: boolean): void {
    const outage = what === 'storage' ? this.#storageOutage : this.#running().outage;
    outage.isAway = isAway;
  }

  note(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  /** From now on: the fault hits the n-th change that the process makes, and perhaps another one its successor's start. */
  arm(fault: Fault, atStart: Fault | null): void {
    this.#running().life.arm(fault);
    this.#faultAtStart = atStart;
  }

  /** Starts the work right before the n-th change, and goes on when it is done or has had its turns. */
  during(n: number, work: () => Promise<void>): void {
    this.#running().life.before(n, work);
  }

  disarm(): void {
    this.#running().life.disarm();
    this.#faultAtStart = null;
  }

  /** Does the work, in the next process again if this one dies of it; so it must be safe to repeat. */
  async attempt<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const { life } = this.#running();
      const answered = work().then((result) => ({ result }));
      // Nobody hears what becomes of a dead process's work.
      answered.catch(() => {});
      const outcome = await Promise.race([answered, life.died.then(() => null)]);
      if (outcome !== null && !life.isDead) return outcome.result;
      this.note('killed');
      await this.restart();
    }
  }

  /** A request to the server as any client sends it. */
  call(method: string, path: string, body?: object): Promise<Answer> {
    return this.attempt(async () => {
      const response = await fetch(this.#running().url + path, {
        method,
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = { status: response.status, body: await response.json() };
      const { pathname } = new URL(path, 'http://localhost');
      const headers = Object.fromEntries(response.headers);
      this.#beginning.compare({ method, path: pathname, headers, ...answer });
      return answer;
    });
  }

  /** `call`, and once more where that may help: a single fault is over by then, an outage is not. */
  async ask(method: string, path: string, body?: object): Promise<Answer> {
    const answer = await this.call(method, path, body);
    return answer.status === 503 ? this.call(method, path, body) : answer;
  }

  /** Does a job now, and once more if it failed; false if it cannot be done because something is away. */
  async work(job: (context: Context) => Promise<unknown>): Promise<boolean> {
    const once = () =>
      this.attempt(async () => {
        try {
          await job(this.#running().context);
          return null;
        } catch (error) {
          if (error instanceof ExpectedError && error.code.endsWith('/unavailable')) return error;
          throw error;
        }
      });
    if ((await once()) === null) return true;
    const failure = await once();
    if (failure === null) return true;
    if (this.isAway) return false;
    throw failure;
  }

  /** Kills the process wherever it is and starts the next one, with everything there again. */
  async restart(): Promise<void> {
    await this.#end();
    this.#storageOutage.isAway = false;
    const fault = this.#faultAtStart;
    this.#faultAtStart = null;
    this.#process = (await this.#start(fault)) ?? (await this.#start(null));
    this.note('start');
    this.onRestart();
  }

  /** What anybody else finds in the repository, verified: the plan, and the manifest as it stands there. */
  async published(): Promise<ManifestContent & { readonly text: string }> {
    const state = await this.#stranger.load();
    const bytes = await this.#stranger.readTarget(state, MANIFEST_TARGET);
    const text = new TextDecoder().decode(bytes);
    return { ...(await readManifest(this.#stranger, state)), text };
  }

  /** Somebody with the keys commits without the server; returns how many verbs were refused. */
  async commitElsewhere(verb: PlanVerb): Promise<number> {
    const { online } = this.#beginning.signers;
    const order = { signers: [online], verbs: [verb], now: this.clock.now };
    return (await commitVerbs(this.#stranger, order)).rejected.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  /** Null if the fault killed it before it listened. */
  async #start(fault: Fault | null): Promise<Process | null> {
    await using resources = new AsyncDisposableStack();
    const life = new Life();
    if (fault !== null) life.arm(fault);
    const opened = await openState(`sqlite:${this.#database}`, { cwd: '/' });
    resources.use(opened);
    const { resource, outage } = breakable(opened);
    const opening = openContext(
      partsOf({
        storage: mortal(this.#storage, life),
        state: mortal(resource, life),
        signers: this.#beginning.signers,
        clock: this.clock,
      }),
    );
    opening.catch(() => {});
    const context = await Promise.race([opening, life.died.then(() => null)]);
    if (context === null) return null;
    life.disarm();
    const url = await serveApp(context, resources);
    return { life, context, url, outage, resources: resources.move() };
  }

  async #end(): Promise<void> {
    const old = this.#process;
    this.#process = null;
    old?.life.kill();
    await old?.resources[Symbol.asyncDispose]();
  }

  #running(): Process {
    if (this.#process === null) throw new Error('no server runs');
    return this.#process;
  }
}
