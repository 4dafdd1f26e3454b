import { Cryptoki } from './cryptoki.ts';

/** One user's hold on an initialised module; the last one to let go ends it. */
export type OpenModule = AsyncDisposable & {
  readonly cryptoki: Cryptoki;
  /** Runs work alone on the module: not all can be called from several threads at once. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
};

type Shared = {
  users: number;
  readonly cryptoki: Promise<Cryptoki>;
  queue: Promise<unknown>;
};

// PKCS#11 initialises a module once for the whole process, so who uses it is counted for the whole process too.
const modules = new Map<string, Shared>();

/** Initialises the module unless somebody holds it already. Throws as Cryptoki.initialize does. */
export async function openModule(file: string): Promise<OpenModule> {
  const shared = modules.get(file) ?? {
    users: 0,
    cryptoki: Cryptoki.initialize(file),
    queue: Promise.resolve(),
  };
  modules.set(file, shared);
  shared.users += 1;
  try {
    const cryptoki = await shared.cryptoki;
    return {
      cryptoki,
      exclusively: (work) => {
        const done = shared.queue.then(work);
        // How one's work ends is nothing to those who come after it.
        shared.queue = done.catch(() => {});
        return done;
      },
      [Symbol.asyncDispose]: async () => {
        if (letGo(file, shared)) cryptoki.finalize();
      },
    };
  } catch (error) {
    letGo(file, shared);
    throw error;
  }
}

/** Whether that was the last user. The next one initialises the module again, after what this tick still does. */
function letGo(file: string, shared: Shared): boolean {
  shared.users -= 1;
  if (shared.users > 0) return false;
  modules.delete(file);
  return true;
}
