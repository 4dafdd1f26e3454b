import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { parseManifest } from '../../core/bottlerocket/manifest.ts';
import type { Update } from '../../core/bottlerocket/manifest.ts';
import {
  formatNanoseconds,
  nanosecondsOf,
  parseNanoseconds,
} from '../../core/bottlerocket/nanoseconds.ts';
import type { Nanoseconds } from '../../core/bottlerocket/nanoseconds.ts';
import { parseU32 } from '../../core/bottlerocket/u32.ts';
import { readyAt } from '../../core/bottlerocket/update-ready.ts';
import { firstUpdateAt, updateRequired } from '../../core/bottlerocket/update-required.ts';
import { isVersion } from '../../core/version.ts';
import { instantOption, print, readOptionFile, UsageError } from '../usage.ts';

type Options = {
  readonly manifest: string;
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly seed: string;
  readonly at?: string;
  readonly versionLock: string;
  readonly ignoreWaves?: boolean;
  readonly json?: boolean;
};

/** `readyAt` is the earliest instant; null is at any time, or never. */
type Answer = { readonly update: string | null; readonly readyAt: string | null };

export function bottlerocketDecideCommand(io: Io): Command {
  return new Command('decide')
    .description('what an unmodified updog would do with a manifest')
    .requiredOption('--manifest <file>', 'manifest.json')
    .requiredOption('--variant <name>', 'variant of the host')
    .requiredOption('--arch <name>', 'x86_64 or aarch64')
    .requiredOption('--version <version>', 'version that the host runs')
    .requiredOption('--seed <number>', 'settings.updates.seed of the host, any u32')
    .option('--at <time>', 'RFC 3339; now if not given')
    .option('--version-lock <version>', 'settings.updates.version-lock', 'latest')
    .option('--ignore-waves', 'settings.updates.ignore-waves')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate bottlerocket decide --manifest manifest.json --variant aws-k8s-1.32 --arch x86_64 \\\n' +
        '    --version 1.44.0 --seed 1024 --at 2026-03-01T12:00:00Z',
    )
    .action((options: Options) => decide(io, options));
}

async function decide(io: Io, options: Options): Promise<void> {
  const { variant, arch, versionLock, ignoreWaves = false } = options;
  const running = versionOption(options.version);
  const seed = seedOption(options.seed);
  const now = options.at === undefined ? nanosecondsOf(io.now()) : exactInstant(options.at);
  const manifest = parseManifest(await readOptionFile(io, '--manifest', options.manifest));
  const host = { variant, arch, running, seed, versionLock, ignoreWaves, now };
  const update = updateRequired(manifest, host);
  const opensAt = (taken: Update) => (ignoreWaves ? null : readyAt(taken, seed));
  const ready = update === null ? firstUpdateAt(manifest, host) : opensAt(update);
  const answer = {
    update: update?.version ?? null,
    readyAt: ready === null ? null : formatNanoseconds(ready),
  };
  print(io, options.json, answer, [inWords(answer)]);
}

function inWords({ update, readyAt: ready }: Answer): string {
  if (update !== null) return `${update}, ready ${ready ?? 'at any time'}`;
  return ready === null ? 'no update, and none to come' : `no update before ${ready}`;
}

function versionOption(text: string): string {
  if (isVersion(text)) return text;
  throw new UsageError('usage/option', `--version must be like 1.44.0, got '${text}'`);
}

function seedOption(text: string): number {
  const seed = parseU32(text);
  if (seed !== null) return seed;
  throw new UsageError(
    'usage/option',
    `--seed must be a whole number from 0 to 4294967295, got '${text}'`,
  );
}

/** To the nanosecond, since updog's instants are. */
function exactInstant(text: string): Nanoseconds {
  instantOption('--at', text);
  return parseNanoseconds(text);
}
