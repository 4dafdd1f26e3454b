import type { SectorSize } from '../../core/gpt/header.ts';

/** A disk, or a file that is the image of one, as long as it is open. All failures are AgentErrors. */
export interface Disk extends AsyncDisposable {
  readonly path: string;
  readonly byteCount: number;
  /** What the kernel says of a block device; null for an image, which any size may be meant for. */
  readonly sectorSize: SectorSize | null;
  /** Exactly so many bytes, or it throws `agent/disk`. */
  read(at: number, byteCount: number): Promise<Uint8Array>;
  write(at: number, bytes: Uint8Array): Promise<void>;
  /** A barrier: all that was written is durable before anything that is written after it. */
  sync(): Promise<void>;
}

/** `read-back` reads past the page cache, so that what was written comes from the medium. */
export type DiskMode = 'read' | 'read-back' | 'write';
export type OpenDisk = (mode: DiskMode) => Promise<Disk>;
