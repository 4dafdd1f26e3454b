import { AgentError } from '../../agent/errors.ts';
import type { Disk, DiskMode, OpenDisk } from '../../agent/slots/disk.ts';
import type { SectorSize } from '../../core/gpt/header.ts';

/**
 * A disk that remembers what was written and not yet synced. Whatever is written, it keeps or loses in whole units of
 * `unitBytes`, each for itself: a power loss leaves of every unit any content that it had since the last barrier.
 */
export class MemoryDisk implements Disk {
  readonly path = 'memory';
  readonly byteCount: number;
  readonly sectorSize: SectorSize | null = null;
  readonly unitBytes: number;
  writes = 0;
  readonly #durable: Uint8Array;
  readonly #cached: Uint8Array;
  readonly #unsynced = new Map<number, Uint8Array[]>();
  readonly #onStep: (disk: MemoryDisk) => void;

  constructor(bytes: Uint8Array, unitBytes: number, onStep: (disk: MemoryDisk) => void = () => {}) {
    this.byteCount = bytes.length;
    this.unitBytes = unitBytes;
    this.#durable = bytes.slice();
    this.#cached = bytes.slice();
    this.#onStep = onStep;
  }

  get bytes(): Uint8Array {
    return this.#cached.slice();
  }

  /** Opens the same disk again and again, like a path. */
  opener(): OpenDisk {
    return (mode: DiskMode) => Promise.resolve(mode === 'read' ? readOnly(this) : this);
  }

  read(at: number, byteCount: number): Promise<Uint8Array> {
    if (at + byteCount > this.byteCount) throw new AgentError('agent/disk', 'behind the end');
    return Promise.resolve(this.#cached.slice(at, at + byteCount));
  }

  write(at: number, bytes: Uint8Array): Promise<void> {
    this.writes += 1;
    this.#cached.set(bytes, at);
    const unitOf = (from: Uint8Array, unit: number) =>
      from.slice(unit * this.unitBytes, (unit + 1) * this.unitBytes);
    const last = Math.floor((at + bytes.length - 1) / this.unitBytes);
    for (let unit = Math.floor(at / this.unitBytes); unit <= last; unit += 1) {
      const versions = this.#unsynced.get(unit) ?? [];
      const version = unitOf(this.#cached, unit);
      const before = versions.at(-1) ?? unitOf(this.#durable, unit);
      // Content that did not change is the same, kept or lost.
      if (Buffer.compare(version, before) === 0) continue;
      versions.push(version);
      this.#unsynced.set(unit, versions);
    }
    this.#onStep(this);
    return Promise.resolve();
  }

  sync(): Promise<void> {
    this.#durable.set(this.#cached);
    this.#unsynced.clear();
    this.#onStep(this);
    return Promise.resolve();
  }

  /** Every content that the disk may have after a power loss now. */
  *afterPowerLoss(): Generator<Uint8Array> {
    const units = [...this.#unsynced];
    const state = this.#durable.slice();
    const unitBytes = this.unitBytes;
    const durable = this.#durable;
    function* choose(index: number): Generator<Uint8Array> {
      const [unit, versions] = units[index] ?? [];
      if (unit === undefined || versions === undefined) {
        yield state.slice();
        return;
      }
      const at = unit * unitBytes;
      for (const version of [durable.slice(at, at + unitBytes), ...versions]) {
        state.set(version, at);
        yield* choose(index + 1);
      }
    }
    yield* choose(0);
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
