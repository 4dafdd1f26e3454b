import { randomUUID } from 'node:crypto';
import { AgentError } from '../../agent/errors.ts';
import type { Slots, SlotsState } from '../../agent/slots/slots.ts';
import type { System } from '../../agent/system.ts';

/**
 * Slots that a boot loader chooses from, and the machine that they are in: what is activated runs after the next boot, on
 * trial, unless it does not boot.
 */
export class BootedSlots implements System {
  /** Times that the machine was told to boot. */
  reboots = 0;
  /** Releases that do not boot. */
  readonly broken = new Set<string>();
  /** Why the machine does not take an order to boot; null if it does. */
  refusal: string | null = null;
  /** Whether it boots what it runs, whatever is activated. */
  isStubborn = false;
  #bootId: string = randomUUID();
  #next: string | null = null;
  #isTriedInVain = false;
  #isOnTrial = false;
  readonly #good = new Set<string>();
  readonly #inner: Slots;

  constructor(inner: Slots) {
    this.#inner = inner;
  }

  readonly bootId = async (): Promise<string> => this.#bootId;

  readonly reboot = async (): Promise<void> => {
    this.reboots += 1;
    if (this.refusal !== null) throw new AgentError('agent/reboot', this.refusal);
  };

  /** The power comes back, or the machine does what it was told. */
  async boot(): Promise<void> {
    this.#bootId = randomUUID();
    const next = this.#next;
    if (next === null || this.isStubborn) return;
    this.#next = null;
    if (this.broken.has(next)) {
      this.#isTriedInVain = true;
      return;
    }
    const { active } = await this.#inner.read();
    if (active !== null && !this.#isOnTrial) this.#good.add(active.release.version);
    await this.#inner.activate(next);
    this.#isOnTrial = !this.#good.has(next);
  }

  /** As an agent sees them: `inner` but for what a boot decides. */
  get slots(): Slots {
    const own: Partial<Slots> = {
      needsReboot: true,
      read: () => this.#read(),
      activate: async (version) => {
        this.#next = version;
        this.#isTriedInVain = false;
      },
      deactivate: async (version) => {
        const { active } = await this.#inner.read();
        this.#next = active?.release.version === version ? null : version;
        this.#isTriedInVain = false;
      },
      markGood: async () => {
        this.#isOnTrial = false;
      },
    };
    return new Proxy(this.#inner, {
      get: (inner, name) => {
        const value: unknown = Reflect.get(name in own ? own : inner, name);
        return typeof value === 'function' ? value.bind(inner) : value;
      },
    });
  }

  async #read(): Promise<SlotsState> {
    const nextToBoot = this.#next === null ? 'active' : 'inactive';
    const own = {
      nextToBoot,
      isTriedInVain: this.#isTriedInVain,
      isOnTrial: this.#isOnTrial,
    } as const;
    return { ...(await this.#inner.read()), ...own };
  }
}
