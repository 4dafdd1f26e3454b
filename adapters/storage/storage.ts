import { ExpectedError } from '../../core/errors.ts';

export type StorageErrorCode =
  /** No object has this name. */
  | 'storage/not-there'
  /** A create-only put found an object of this name. */
  | 'storage/already-there'
  /** A replace-if-unchanged put found another object than the one the caller read, or none. */
  | 'storage/changed'
  /** The store refused these credentials, or the operating system these permissions. */
  | 'storage/denied'
  /** The range starts at or after the object's end. */
  | 'storage/range'
  /** The source of a streamed put yields more or fewer bytes than declared. */
  | 'storage/size'
  /** The store does not honour conditional puts, so nothing may be written to it. */
  | 'storage/unsafe'
  /** The storage URL or an object name is malformed. */
  | 'storage/name'
  /** The store did not answer, answered with a server error, or broke off in the middle. */
  | 'storage/unavailable'
  /** The disk or quota is full. */
  | 'storage/full';

export class StorageError extends ExpectedError<StorageErrorCode> {}

/** An opaque version of an object's content, given back unchanged in `replace-if-unchanged`. */
export type ETag = string;

export type ObjectStat = { readonly size: number; readonly etag: ETag };

export type ListedObject = {
  readonly name: string;
  readonly size: number;
  /** When it was put, by the clock of the store; of a streamed object possibly when the stream began. */
  readonly modifiedAt: Date;
};

export type StoredObject = ObjectStat & {
  /**
   * The bytes asked for, streamed once; `size` is always that of the whole object. Read it to the end or leave its
   * `for await` early: a body that nobody touches may hold a connection.
   */
  readonly body: AsyncIterable<Uint8Array>;
};

/** Both ends are inclusive byte offsets, as in HTTP; without `end` to the end of the object. */
export type ByteRange = { readonly start: number; readonly end?: number };

export type PutCondition =
  { readonly kind: 'create-only' } | { readonly kind: 'replace-if-unchanged'; readonly etag: ETag };

export type PutOptions = {
  readonly condition: PutCondition;
  /** Sent as Cache-Control by stores that serve hosts directly. */
  readonly cacheControl: CacheControl;
};

/** `immutable` for names that never change their content (versioned or content-addressed), else `no-cache`. */
export type CacheControl = 'immutable' | 'no-cache';

/**
 * The name of a streamed object, or a function that gives it once `source` has ended, for a name that comes from the
 * bytes (their hash). A late name costs a bucket one copy within the store, so give the name itself where it is known.
 */
export type StreamName = string | (() => string);

export type StreamOptions = { readonly size: number; readonly cacheControl: CacheControl };

/**
 * Named objects in a folder, a bucket or memory. Names are relative, `/`-separated, of `[A-Za-z0-9._-]` segments that
 * do not begin with a dot. A put is atomic: a reader finds the old object, or the whole new one, never a part.
 * Every failure is a StorageError.
 */
export interface Storage extends AsyncDisposable {
  /** The URL that opens this storage again, without credentials. */
  readonly url: string;
  stat(name: string): Promise<ObjectStat>;
  get(name: string, range?: ByteRange): Promise<StoredObject>;
  /**
   * For small objects (metadata); returns the new ETag. After `storage/unavailable` the put may or may not have taken
   * effect: read the object again.
   */
  put(name: string, bytes: Uint8Array, options: PutOptions): Promise<ETag>;
  /**
   * For large objects: create-only, in memory bounded by a few parts whatever the size. `size` is the exact number of
   * bytes that `source` yields; `source` may use a chunk's memory again when the next one is asked for. A failure of
   * `source` or of a late name leaves nothing behind and is thrown as it is.
   */
  putStream(
    name: StreamName,
    source: AsyncIterable<Uint8Array>,
    options: StreamOptions,
  ): Promise<ETag>;
  /** Names that begin with `prefix`, in ascending order of their UTF-16 units. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /** Deleting what is not there is no error. */
  delete(name: string): Promise<void>;
}
