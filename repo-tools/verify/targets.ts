import { createHash } from 'node:crypto';
import { StorageError } from '../../adapters/storage/storage.ts';
import { objectOf } from '../../core/tuf/lint/raw.ts';
import type { Target } from '../../core/tuf/lint/facts.ts';
import type { FindingKind } from './finding.ts';
import type { ObservedRepository } from './observed.ts';

/** A target as signed metadata lists it. */
export type ListedTarget = {
  readonly name: string;
  /** Where hosts get it. */
  readonly object: string;
  readonly length: number;
  readonly sha256: string;
};

export type TargetFailure = {
  readonly kind: FindingKind;
  readonly target: string;
  readonly reason: string;
};

/** The targets that are listed with a length and a SHA-256; lint tells of the others. */
export function listedTargets(
  targets: readonly Target[],
  { isConsistent }: { readonly isConsistent: boolean },
): readonly ListedTarget[] {
  return targets.flatMap(({ name, raw }) => {
    const { length } = raw;
    const { sha256 } = objectOf(raw['hashes']);
    if (typeof length !== 'number' || typeof sha256 !== 'string') return [];
    const object = `targets/${isConsistent ? `${sha256}.` : ''}${name}`;
    return [{ name, object, length, sha256 }];
  });
}

/** Reads a target whole, as a host does; null if it is as listed. */
export async function checkTarget(
  observed: ObservedRepository,
  { name, object, length, sha256 }: ListedTarget,
  onBytes: (count: number) => void,
): Promise<TargetFailure | null> {
  const failed = (kind: FindingKind, reason: string) => ({ kind, target: name, reason });
  const opened = await observed.open(object);
  if (opened.kind === 'absent') return failed('target-missing', 'is not there');
  if (opened.kind === 'failed') return failed('transport', opened.what);
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of opened.body) {
      size += chunk.length;
      if (size > length) break;
      hash.update(chunk);
      onBytes(chunk.length);
    }
  } catch (error) {
    if (error instanceof StorageError) return failed('transport', error.message);
    throw error;
  }
  if (size !== length) {
    const more = size > length ? ' or more' : '';
    return failed('target', `must have ${length} bytes, got ${size}${more}`);
  }
  const got = hash.digest('hex');
  return got === sha256 ? null : failed('target', `must have SHA-256 ${sha256}, got ${got}`);
}
