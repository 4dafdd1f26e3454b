import { GptError } from './errors.ts';
import { NO_GUID, readGuid } from './guid.ts';
import type { GptHeader } from './header.ts';

export type GptEntry = {
  /** From 0; partition tools count from 1. */
  readonly index: number;
  readonly typeGuid: string;
  readonly uniqueGuid: string;
  readonly firstLba: number;
  readonly lastLba: number;
  readonly attributes: bigint;
  readonly name: string;
};

const ATTRIBUTES_AT = 48;
const NAME_AT = 56;
const NAME_BYTES = 72;

/** The partitions of a table, in the order of their entries. Throws `gpt/damaged` if they overlap or lie outside. */
export function parseEntries(header: GptHeader, entries: Uint8Array): readonly GptEntry[] {
  const found: GptEntry[] = [];
  for (let index = 0; index < header.entryCount; index += 1) {
    const entry = parseEntry(entries, index, header.entrySize);
    if (entry === null) continue;
    checkPlace(entry, header);
    found.push(entry);
  }
  checkTogether(found);
  return found;
}

export function readAttributes(entries: Uint8Array, at: number): bigint {
  return viewOf(entries).getBigUint64(at + ATTRIBUTES_AT, true);
}

/** Changes the bytes that it is given. */
export function writeAttributes(entries: Uint8Array, at: number, attributes: bigint): void {
  viewOf(entries).setBigUint64(at + ATTRIBUTES_AT, attributes, true);
}

/** Null for an entry that is not used. */
function parseEntry(entries: Uint8Array, index: number, size: number): GptEntry | null {
  const at = index * size;
  const typeGuid = readGuid(entries, at);
  if (typeGuid === NO_GUID) return null;
  const view = viewOf(entries);
  const name = Buffer.from(entries.subarray(at + NAME_AT, at + NAME_AT + NAME_BYTES));
  return {
    index,
    typeGuid,
    uniqueGuid: readGuid(entries, at + 16),
    // A number that is not exact is far outside of every disk, and is refused for that.
    firstLba: Number(view.getBigUint64(at + 32, true)),
    lastLba: Number(view.getBigUint64(at + 40, true)),
    attributes: readAttributes(entries, at),
    name: name.toString('utf16le').replace(/\0.*$/su, ''),
  };
}

function checkPlace({ index, firstLba, lastLba }: GptEntry, header: GptHeader): void {
  const { firstUsableLba, lastUsableLba } = header;
  if (firstLba <= lastLba && firstLba >= firstUsableLba && lastLba <= lastUsableLba) return;
  throw new GptError(
    'gpt/damaged',
    `partition ${index + 1} must lie in sectors ${firstUsableLba} to ${lastUsableLba}, got ${firstLba} to ${lastLba}`,
  );
}

function checkTogether(found: readonly GptEntry[]): void {
  const byGuid = new Map<string, GptEntry>();
  for (const entry of found) {
    const same = byGuid.get(entry.uniqueGuid);
    if (same !== undefined) {
      throw new GptError(
        'gpt/damaged',
        `partitions ${same.index + 1} and ${entry.index + 1} have the same GUID ${entry.uniqueGuid}`,
      );
    }
    byGuid.set(entry.uniqueGuid, entry);
  }
  const sorted = found.toSorted((a, b) => a.firstLba - b.firstLba);
  sorted.forEach((entry, at) => {
    const before = sorted[at - 1];
    if (before === undefined || before.lastLba < entry.firstLba) return;
    throw new GptError(
      'gpt/damaged',
      `partitions ${before.index + 1} and ${entry.index + 1} overlap`,
    );
  });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
