import { openHttpProbe } from '../../adapters/storage/http-probe.ts';
import type { HttpProbe } from '../../adapters/storage/http-probe.ts';
import { readOnly } from '../../adapters/storage/read-only.ts';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { MAX_LENGTHS } from '../../core/tuf/metadata.ts';

/** What came back for a name. `headers` and `status` are null where the repository is not read over HTTP. */
export type Sight<Content> =
  | ({ readonly kind: 'found'; readonly headers: Headers | null } & Content)
  | { readonly kind: 'absent'; readonly headers: Headers | null; readonly status: number | null }
  | { readonly kind: 'failed'; readonly what: string };

export type Opened = Sight<{ readonly body: AsyncIterable<Uint8Array> }>;
export type Read = Sight<{ readonly bytes: Uint8Array }>;

/** What tough takes for "not there"; others take 410 for a failure. */
const ABSENT: ReadonlySet<number> = new Set([403, 404, 410]);
/** More than any client reads: such a file is a finding, not a reason to stop. */
const MAX_FILE_BYTES = 4 * MAX_LENGTHS.targets;

/**
 * The repository as it was at one moment: each metadata file is asked for once, so that all that is checked is about the
 * same bytes, whoever publishes meanwhile. Failures are answers too.
 */
export class ObservedRepository {
  readonly url: string;
  /** What was answered so far, targets too. */
  readonly seen = new Map<string, Read | Opened>();
  readonly #storage: Storage;
  readonly #probe: HttpProbe | null;
  readonly #files = new Map<string, Promise<Read>>();

  constructor(storage: Storage) {
    this.url = storage.url;
    this.#storage = storage;
    this.#probe = /^https?:/.test(storage.url) ? openHttpProbe({ url: storage.url }) : null;
  }

  /** A metadata file, whole. */
  async read(name: string): Promise<Read> {
    const file = this.#files.get(name) ?? this.#readOnce(name);
    this.#files.set(name, file);
    return file;
  }

  /** A target, streamed. Its body throws StorageError when it breaks off. */
  async open(name: string): Promise<Opened> {
    const opened = await this.#ask(name);
    this.seen.set(name, opened);
    return opened;
  }

  /** How the first byte alone is answered; null where that cannot be asked. */
  async statusOfRange(name: string): Promise<number | null> {
    if (this.#probe === null) return null;
    const { status, body } = await this.#probe.ask(name, { range: 'bytes=0-0' });
    for await (const _chunk of body) break;
    return status;
  }

  /**
   * The same metadata for those who know storages. What could not be read is `storage/unavailable`, or not there to those who
   * look at all that there is.
   */
  asStorage(failed: 'unavailable' | 'not-there'): Storage {
    return readOnly({
      ...readOnly(this.#storage),
      get: async (name) => {
        const file = await this.read(name);
        if (file.kind === 'found') {
          return { size: file.bytes.length, etag: '', body: once(file.bytes) };
        }
        if (file.kind === 'failed' && failed === 'unavailable') {
          throw new StorageError('storage/unavailable', file.what);
        }
        throw new StorageError('storage/not-there', `${name} is not there`);
      },
    });
  }

  async #readOnce(name: string): Promise<Read> {
    const opened = await this.#ask(name);
    const read = opened.kind === 'found' ? await readAll(name, opened) : opened;
    this.seen.set(name, read);
    return read;
  }

  async #ask(name: string): Promise<Opened> {
    try {
      return await (this.#probe === null
        ? askStorage(this.#storage, name)
        : askProbe(this.#probe, name));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // A name that no storage can hold is one that nobody finds.
      if (error.code === 'storage/not-there' || error.code === 'storage/name') {
        return { kind: 'absent', headers: null, status: null };
      }
      return { kind: 'failed', what: error.message };
    }
  }
}

async function askStorage(storage: Storage, name: string): Promise<Opened> {
  const { body } = await storage.get(name);
  return { kind: 'found', headers: null, body };
}

async function askProbe(probe: HttpProbe, name: string): Promise<Opened> {
  const { status, headers, body } = await probe.ask(name);
  if (status === 200) return { kind: 'found', headers, body };
  // A body that nobody reads holds its connection.
  for await (const _chunk of body) break;
  if (ABSENT.has(status)) return { kind: 'absent', headers, status };
  return { kind: 'failed', what: `${name} is answered with HTTP ${status}` };
}

async function readAll(
  name: string,
  { headers, body }: Extract<Opened, { readonly kind: 'found' }>,
): Promise<Read> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      length += chunk.length;
      if (length > MAX_FILE_BYTES) {
        return { kind: 'failed', what: `${name} has more than ${MAX_FILE_BYTES} bytes` };
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof StorageError) return { kind: 'failed', what: error.message };
    throw error;
  }
  return { kind: 'found', headers, bytes: Buffer.concat(chunks) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
