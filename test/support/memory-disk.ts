import { AgentError } from '../../agent/errors.ts';
import type { Disk, DiskMode, OpenDisk } from '../../agent/slots/disk.ts';
import type { SectorSize } from '../../core/gpt/header.ts';
import { everyPick } from './picks.ts';
import { VolatileBytes } from './volatile-bytes.ts';

/** A disk that remembers what was written and not yet synced. */
export class MemoryDisk implements Disk {
  readonly path = 'memory';
  readonly byteCount: number;
  readonly sectorSize: SectorSize | null = null;
  writes = 0;
  readonly #bytes: VolatileBytes;
  readonly #onStep: (disk: MemoryDisk) => void;

  constructor(bytes: Uint8Array, unitBytes: number, onStep: (disk: MemoryDisk) => void = () => {}) {
    this.byteCount = bytes.length;
    this.#bytes = new VolatileBytes(bytes, unitBytes);
    this.#onStep = onStep;
  }

  get bytes(): Uint8Array {
    return this.#bytes.current.slice();
  }

  /** Opens the same disk again and again, like a path. */
  opener(): OpenDisk {
    return (mode: DiskMode) => Promise.resolve(mode === 'write' ? this : readOnly(this));
  }

  read(at: number, byteCount: number): Promise<Uint8Array> {
    if (at + byteCount > this.byteCount) throw new AgentError('agent/disk', 'behind the end');
    return Promise.resolve(this.#bytes.current.slice(at, at + byteCount));
  }

  write(at: number, bytes: Uint8Array): Promise<void> {
    this.writes += 1;
    this.#bytes.write(at, bytes);
    this.#onStep(this);
    return Promise.resolve();
  }

  sync(): Promise<void> {
    this.#bytes.sync();
    this.#onStep(this);
    return Promise.resolve();
  }

  /** Every content that the disk may have after a power loss now; what is done to it later changes none of them. */
  *afterPowerLoss(): Generator<Uint8Array> {
    for (const picks of everyPick(this.#bytes.ways())) yield this.#bytes.after(picks).slice();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** A handle that was opened to read does not write, whoever asks. */
function readOnly(disk: MemoryDisk): Disk {
  const { path, byteCount, sectorSize } = disk;
  const refuse = () => Promise.reject(new AgentError('agent/disk', 'opened to read'));
  return {
    ...{ path, byteCount, sectorSize, write: refuse, sync: refuse },
    read: (at, length) => disk.read(at, length),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
