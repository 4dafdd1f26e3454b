import { ExpectedError } from '../../core/errors.ts';

export type CheckName =
  | 'configuration'
  | 'state'
  | 'anchor'
  | 'clock'
  | 'server'
  | 'metadata'
  | 'targets'
  | 'slots'
  | 'space'
  | 'reports'
  | 'programs'
  | 'outputs';

/** What was looked at, and what to do where it is not well. */
export type Check = {
  readonly name: CheckName;
  /** After `failed` the host gets no release, or loses what it learns; a `warning` may become that. */
  readonly status: 'ok' | 'warning' | 'failed';
  readonly message: string;
  readonly advice: string | null;
};

export function good(name: CheckName, message: string): Check {
  return { name, status: 'ok', message, advice: null };
}

export function warning(name: CheckName, message: string, advice: string): Check {
  return { name, status: 'warning', message, advice };
}

export function bad(name: CheckName, message: string, advice: string): Check {
  return { name, status: 'failed', message, advice };
}

/** What is to be done about a failure by its code, where the place does not say it better. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  [
    'agent/config',
    'correct the configuration; `tidegate agent config show` says where each value stands',
  ],
  ['agent/clock', 'set the clock, and have a time service keep it'],
  ['agent/unreachable', 'see whether the address is right and the network lets this host through'],
  [
    'agent/not-there',
    'see whether the address is that of the repository, and that its mirror is whole',
  ],
  ['agent/too-large', 'have the repository verified: `tidegate repo verify`'],
  ['agent/answer', 'see whether the address is right, and what stands between this host and it'],
  [
    'agent/metadata',
    'have the repository verified, and compare its first root with the trust anchor of this host',
  ],
  [
    'agent/expired',
    'have the repository renewed (`tidegate repo refresh`), and see that this clock is right',
  ],
  [
    'agent/rollback',
    'find out who serves an older repository; if its keys were lost, `tidegate repo recover`',
  ],
  ['agent/image', 'install the release again'],
  ['agent/slots', 'look at the slots; `tidegate agent status` says what they hold'],
  ['agent/full', 'make room on the disk'],
  ['agent/disk', 'look for the reason in the log of the kernel, and mend the disk'],
]);

export type Attempted<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly check: Check; readonly code: string };

/** Some work; a failure of it that was foreseen is a failed check. */
export async function attempt<T>(name: CheckName, work: () => Promise<T>): Promise<Attempted<T>> {
  try {
    return { kind: 'done', value: await work() };
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    const code: string = error.code;
    const advice = error.hints[0] ?? ADVICE.get(code) ?? 'see docs/agent.md';
    return { kind: 'failed', check: bad(name, error.message, advice), code };
  }
}

/** The checks of some work that may fail itself. */
export async function checking(
  name: CheckName,
  work: () => Promise<readonly Check[]>,
): Promise<readonly Check[]> {
  const attempted = await attempt(name, work);
  return attempted.kind === 'done' ? attempted.value : [attempted.check];
}
