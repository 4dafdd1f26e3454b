import type { Command } from 'commander';
import { openPublicKey } from '../../adapters/signing/open.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import type { Key } from '../../core/tuf/keys.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { UsageError } from '../usage.ts';

/** What every command that changes who may sign takes. */
export type CeremonyOptions = {
  readonly reason: string;
  readonly out?: string;
  readonly signWith?: readonly string[];
  readonly onlineKey?: readonly string[];
  readonly root?: string;
  readonly expiryPolicy?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

export function addCeremonyOptions(command: Command): Command {
  return command
    .requiredOption('--reason <text>', 'why, for the people who sign')
    .option('--out <file>', 'write the proposal for others to sign')
    .option('--sign-with <source...>', 'keys of root, targets or releases that sign right away')
    .option(
      '--online-key <source...>',
      'apply it at once: keys of snapshot, timestamp and rollouts',
    )
    .option('--root <file>', 'a root that you trust; without it the first root of the storage')
    .option('--expiry-policy <file>', 'TOML with root_expiration and the like')
    .option('--dry-run', 'print the review; open no key, write nothing')
    .option('--json', 'print the result as one line of JSON');
}

/** `ROLE=VALUE`; the role `online` stands for snapshot, timestamp and rollouts, which one key holds. */
export function roleOption(
  name: string,
  text: string,
): { readonly roles: readonly string[]; readonly value: string } {
  const [, role, value] = /^([a-z][a-z0-9._-]*)=(.+)$/s.exec(text) ?? [];
  if (role === undefined || value === undefined) {
    throw new UsageError('usage/option', `${name} must be like root=VALUE, got '${text}'`);
  }
  return { roles: rolesNamed(role), value };
}

export function rolesNamed(role: string): readonly string[] {
  return role === 'online' ? ['snapshot', 'timestamp', 'rollouts'] : [role];
}

/** `VARIANT:ARCH=SOURCE`, each platform with all of its keys. */
export async function platformKeyOptions(
  io: Io,
  texts: readonly string[],
): Promise<readonly (Platform & { readonly keys: readonly Key[] })[]> {
  const platforms = new Map<string, Platform & { readonly keys: Key[] }>();
  for (const text of texts) {
    const [, platform = '', source] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (source === undefined) {
      throw new UsageError('usage/option', `must be VARIANT:ARCH=KEY, got '${text}'`);
    }
    const entry = platforms.get(platform) ?? { ...platformOption(platform), keys: [] };
    entry.keys.push(await openPublicKey(source, io));
    platforms.set(platform, entry);
  }
  return [...platforms.values()];
}

/** `VARIANT:ARCH`. */
export function platformOption(text: string): Platform {
  const [, variant, arch] = /^([^:=]+):([^:=]+)$/.exec(text) ?? [];
  if (variant === undefined || arch === undefined) {
    throw new UsageError('usage/option', `must be VARIANT:ARCH, got '${text}'`, {
      hints: ['like aws-k8s-1.32:x86_64'],
    });
  }
  return { variant, arch };
}

export function countOption(name: string, text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new UsageError('usage/option', `${name} must be a whole number from 1, got '${text}'`);
}
