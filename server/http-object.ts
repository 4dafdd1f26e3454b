import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectStat } from '../adapters/storage/storage.ts';

export type RequestedRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  /** Both ends are inclusive. */
  | { readonly kind: 'part'; readonly start: number; readonly end: number };

/** A strong validator from the storage's own tag, whatever characters that has. */
export function entityTag({ etag }: Pick<ObjectStat, 'etag'>): string {
  return `"${encodeURIComponent(etag.replace(/^"(.*)"$/, '$1'))}"`;
}

/** RFC 9110, 13.1.2: whether the client has what is there. */
export function isNotModified(
  headers: Pick<IncomingHttpHeaders, 'if-none-match'>,
  tag: string,
): boolean {
  const known = headers['if-none-match'];
  if (known === undefined) return false;
  const tags = known.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(tag);
}

/**
 * RFC 9110, 14.2: the one range that is asked for. Several ranges, other units and broken ones get the whole, which a server
 * may always send; so does a part of something else than the client has (If-Range, 13.1.5).
 */
export function rangeOf(
  headers: Pick<IncomingHttpHeaders, 'range'> & { readonly 'if-range'?: unknown },
  stat: ObjectStat,
): RequestedRange {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(headers.range ?? '') ?? [];
  const ifRange = headers['if-range'];
  const isOther = ifRange !== undefined && ifRange !== entityTag(stat);
  if (first === undefined || last === undefined || isOther) return { kind: 'whole' };
  return first === '' ? suffix(last, stat) : part(Number(first), last, stat);
}

function suffix(length: string, { size }: ObjectStat): RequestedRange {
  if (length === '') return { kind: 'whole' };
  if (Number(length) === 0 || size === 0) return { kind: 'unsatisfiable' };
  return { kind: 'part', start: Math.max(0, size - Number(length)), end: size - 1 };
}

function part(start: number, last: string, { size }: ObjectStat): RequestedRange {
  if (last !== '' && Number(last) < start) return { kind: 'whole' };
  if (start >= size) return { kind: 'unsatisfiable' };
  return { kind: 'part', start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
