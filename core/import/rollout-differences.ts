import type { Waves } from '../bottlerocket/manifest.ts';
import { SEED_COUNT } from '../seed.ts';
import type { Platform } from '../tuf/names.ts';
import type { Difference, DifferenceCode } from './difference.ts';
import type { Deviation, RiseReport } from './rise.ts';
import type { ConvertedWaves } from './waves-to-policy.ts';

/** How a rollout differs from the `waves` it was made of, a line a difference. */
export function rolloutDifferences(
  platform: Platform,
  { version, waves }: { readonly version: string; readonly waves: Waves },
  { bounds, moved }: Extract<ConvertedWaves, { kind: 'policy' }>,
  rise: RiseReport,
): readonly Difference[] {
  const found: Difference[] = [];
  const tell = (code: DifferenceCode, text: string, data: Difference['data'] = {}) => {
    found.push({ code, platform, version, text, data });
  };
  const [first] = waves;
  if (first === undefined) {
    tell('import/waves-none', 'it has no waves: everyone at once, from the import on');
    return found;
  }
  const always = Math.min(first[0], SEED_COUNT - 1);
  const who = always === 0 ? 'seed 0' : `seeds 0 to ${always}`;
  tell('import/waves-first', `${who} never waits at the source; here it waits for the start`, {
    seeds: always + 1,
  });
  if (bounds.length > 0) {
    const worst = Math.max(...bounds.map(({ bound, seeds }) => Math.abs(bound - seeds)));
    const text = `${bounds.length} of its bounds are no whole percentage; the nearest ones are off by at most ${worst} seeds`;
    tell('import/waves-bounds', text, { bounds });
  }
  if (moved.length > 0) {
    const text = `waves from seeds ${moved.join(', ')} open no later than the one before at the source, and right after it here`;
    tell('import/waves-moved', text, { bounds: moved });
  }
  const { tide, line, compiled } = rise;
  tell(
    'import/waves-rise',
    `the tide lets at most ${words(tide.earlier)} through before updog would, and ${words(tide.later)} after; ` +
      `against the line that the waves mean ${words(line.earlier)} before and ${words(line.later)} after; ` +
      `unmodified hosts: ${words(compiled.earlier)} before, ${words(compiled.later)} after`,
    { tide, line, compiled },
  );
  return found;
}

function words({ seeds, at }: Deviation): string {
  if (seeds === 0) return 'no seed';
  const share = ((seeds * 100) / SEED_COUNT).toFixed(1);
  const when = at === null ? 'before the first wave' : at;
  return `${seeds} seed${seeds === 1 ? '' : 's'} (${share} %, ${when})`;
}
