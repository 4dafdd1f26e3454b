import { errorIn, together, warningIn } from './finding.ts';
import type { Finding } from './finding.ts';
import type { ObservedRepository } from './observed.ts';
import { StorageError } from '../../adapters/storage/storage.ts';

const MINUTE_S = 60;
/** A timestamp that caches keep for longer holds updates back, and lets hosts see it expired. */
const SHORT_S = 5 * MINUTE_S;
/** Names with a version or a hash never change: what keeps them for less asks for the same bytes again and again. */
const LONG_S = 24 * 60 * MINUTE_S;

/** What is wrong with the headers of all that was answered over HTTP so far; nothing for other storages. */
export function headerFindings(observed: ObservedRepository, end: string): readonly Finding[] {
  return together(
    [...observed.seen].flatMap(([name, sight]) => {
      if (sight.kind === 'failed' || sight.headers === null) return [];
      if (sight.kind === 'found') return ofFound(name, sight.headers);
      return name === end ? ofEnd(name, sight.headers) : [];
    }),
  );
}

/** Whether the largest target can be gone on with after a broken download (RFC 9110, 14.2). */
export async function rangeFindings(
  observed: ObservedRepository,
  largest: string | undefined,
): Promise<readonly Finding[]> {
  if (largest === undefined) return [];
  try {
    const status = await observed.statusOfRange(largest);
    if (status === null || status === 206) return [];
    const what = `a range must be answered with 206, got ${status}: broken downloads begin anew`;
    return [warningIn('transport', largest, what)];
  } catch (error) {
    if (error instanceof StorageError) return [errorIn('transport', largest, error.message)];
    throw error;
  }
}

function ofFound(name: string, headers: Headers): readonly Finding[] {
  const findings: Finding[] = [];
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    const what = `must be sent as it is, got Content-Encoding: ${encoding}: most hosts would hash the compressed bytes`;
    findings.push(errorIn('transport', name, what));
  }
  findings.push(...(isVersioned(name) ? ofImmutable(name, headers) : ofChanging(name, headers)));
  if (!headers.has('etag')) findings.push(warningIn('transport', name, 'has no ETag'));
  if (name.startsWith('targets/') && headers.get('accept-ranges') !== 'bytes') {
    const what = 'does not say Accept-Ranges: bytes, so that tough begins a broken download anew';
    findings.push(warningIn('transport', name, what));
  }
  return findings;
}

function isVersioned(name: string): boolean {
  return /\/(?:\d+|[0-9a-f]{64})\.[^/]+$/.test(name);
}

function ofImmutable(name: string, headers: Headers): readonly Finding[] {
  const cache = cacheOf(headers);
  const isKept = !cache.isRefused && (cache.isImmutable || (cache.seconds ?? 0) >= LONG_S);
  const what = `never changes and should be kept for long, got ${cache.text}`;
  return isKept ? [] : [warningIn('transport', name, what)];
}

function ofChanging(name: string, headers: Headers): readonly Finding[] {
  const cache = cacheOf(headers);
  if (cache.isRefused) return [];
  const rule = `may be kept for ${SHORT_S} seconds at most`;
  if (cache.isImmutable || (cache.seconds ?? 0) > SHORT_S) {
    return [errorIn('transport', name, `${rule}, got ${cache.text}`)];
  }
  // RFC 9111, 4.2.2: caches guess how long.
  return cache.seconds === null
    ? [warningIn('transport', name, `${rule}, and nothing says so`)]
    : [];
}

/** A 404 that is kept hides the next root, and with it every update that its keys sign. */
function ofEnd(name: string, headers: Headers): readonly Finding[] {
  const { isRefused, isImmutable, seconds, text } = cacheOf(headers);
  if (isRefused || (!isImmutable && (seconds ?? 0) <= SHORT_S)) return [];
  const what = `that it is not there may be kept for ${SHORT_S} seconds at most, got ${text}`;
  return [errorIn('transport', name, what)];
}

/** RFC 9111, 5.2.2: for caches that many hosts share, so that s-maxage goes before max-age. */
function cacheOf(headers: Headers) {
  const value = headers.get('cache-control');
  const directives = (value ?? '').toLowerCase().split(/\s*,\s*/);
  const secondsOf = (name: string) => {
    const found = directives.find((directive) => directive.startsWith(`${name}=`));
    const [, digits] = /^[^=]+="?(\d+)"?$/.exec(found ?? '') ?? [];
    return digits === undefined ? null : Number(digits);
  };
  return {
    text: value === null ? 'no Cache-Control' : `Cache-Control: ${value}`,
    isRefused: directives.some((directive) => /^(?:no-cache|no-store)$/.test(directive)),
    isImmutable: directives.includes('immutable'),
    seconds: secondsOf('s-maxage') ?? secondsOf('max-age'),
  };
}
