import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { parseDuration } from '../core/duration.ts';
import { DEFAULT_TRIES } from '../core/gpt/signpost.ts';
import { MOST_TRIES } from '../core/gpt/slot-bits.ts';
import { SEED_COUNT, seedOfHost } from '../core/seed.ts';
import { isArch, isVariant } from '../core/tuf/names.ts';
import { AgentError } from './errors.ts';
import { networkSettings, networkShape } from './network/settings.ts';
import type { NetworkSettings } from './network/settings.ts';
import type { Program } from './programs.ts';
import type { RepositoryPlace } from './tuf/places.ts';
import type { GptOptions } from './slots/gpt.ts';

/** As a check-in may say it: without control characters. */
const plainText = z
  .string()
  .max(256)
  .regex(/^[^\p{C}]*$/u, 'must not hold control characters');
const name = plainText.min(1).max(128);
const repositoryUrl = z
  .string()
  .regex(/^(?:https?:\/\/|file:)./, 'must be http://, https:// or file:');
const fileShape = z.strictObject({
  state: z.string().min(1),
  host: z.strictObject({
    id: name,
    variant: z.string().refine(isVariant, 'must be a variant like aws-k8s-1.32'),
    arch: z.string().refine(isArch, 'must be an arch like x86_64'),
    seed: z
      .int()
      .min(0)
      .max(SEED_COUNT - 1)
      .optional(),
    group: name.optional(),
    labels: z.record(name, plainText).optional(),
  }),
  server: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }).optional(),
      fallback: z.enum(['stay', 'static']).default('stay'),
    })
    .optional(),
  repository: z.strictObject({
    root: z.string().min(1),
    'metadata-url': repositoryUrl.optional(),
    'targets-url': repositoryUrl.optional(),
    mirrors: z
      .array(z.strictObject({ 'metadata-url': repositoryUrl, 'targets-url': repositoryUrl }))
      .default([]),
  }),
  network: networkShape.prefault({}),
  slots: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('directory'), path: z.string().min(1) }),
    z.strictObject({
      kind: z.literal('gpt'),
      disk: z.string().min(1),
      active: z.enum(['auto', 'a', 'b']).default('auto'),
      'kernel-command-line': z.string().min(1).default('/proc/cmdline'),
      tries: z.int().min(1).max(MOST_TRIES).default(DEFAULT_TRIES),
    }),
  ]),
  health: z
    .strictObject({
      command: z.tuple([z.string().min(1)], z.string()).optional(),
      timeout: z.string().default('5 minutes'),
    })
    .prefault({}),
  reboot: z
    .strictObject({
      policy: z.enum(['manual', 'automatic']).default('manual'),
      command: z.tuple([z.string().min(1)], z.string()).default(['systemctl', 'reboot']),
    })
    .prefault({}),
  poll: z.strictObject({ interval: z.string() }).default({ interval: '5 minutes' }),
});

export type SlotsConfig =
  | { readonly kind: 'directory'; readonly folder: string }
  | ({ readonly kind: 'gpt' } & Omit<GptOptions, 'stateFolder'>);

export type AgentConfig = {
  /** Absolute path of the agent's own durable folder. */
  readonly stateFolder: string;
  readonly host: {
    readonly id: string;
    readonly variant: string;
    readonly arch: string;
    readonly seed: number;
    readonly group: string | null;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** Null is static mode: the signed manifest alone decides. */
  readonly server: { readonly url: string; readonly fallback: 'stay' | 'static' } | null;
  readonly trustAnchor: string;
  /** Both end in `/`; http, https or file. */
  readonly metadataUrl: string;
  readonly targetsUrl: string;
  /** Where else the repository lies, in the order in which they are asked. */
  readonly mirrors: readonly RepositoryPlace[];
  readonly network: NetworkSettings;
  readonly slots: SlotsConfig;
  /** What proves after an activation that the host is well; without a command it is taken for well. */
  readonly health: { readonly command: Program | null; readonly timeoutMs: number };
  /** Whether the agent boots the host by itself, and how. */
  readonly reboot: { readonly policy: 'manual' | 'automatic'; readonly command: Program };
  readonly pollMs: number;
};

/** Reads agent.toml; relative paths in it start at its folder. Throws `agent/config` naming the first wrong key. */
export async function readConfig(path: string): Promise<AgentConfig> {
  const folder = dirname(path);
  const file = checked(path, await readToml(path));
  const { host, server, repository, network, slots, health, reboot, poll } = file;
  const metadataUrl = repository['metadata-url'];
  const targetsUrl = repository['targets-url'];
  if (server?.url === undefined && (metadataUrl === undefined || targetsUrl === undefined)) {
    throw new AgentError(
      'agent/config',
      `${path}: without a server url, [repository] needs metadata-url and targets-url`,
    );
  }
  const serverUrl = server?.url === undefined ? null : folderUrl(server.url, folder);
  return {
    stateFolder: resolve(folder, file.state),
    host: {
      id: host.id,
      variant: host.variant,
      arch: host.arch,
      seed: host.seed ?? seedOfHost(host.id),
      group: host.group ?? null,
      labels: host.labels ?? {},
    },
    server: serverUrl === null ? null : { url: serverUrl, fallback: server?.fallback ?? 'stay' },
    trustAnchor: resolve(folder, repository.root),
    metadataUrl: folderUrl(metadataUrl ?? `${serverUrl}repo/metadata/`, folder),
    targetsUrl: folderUrl(targetsUrl ?? `${serverUrl}repo/targets/`, folder),
    mirrors: repository.mirrors.map((mirror) => ({
      metadataUrl: folderUrl(mirror['metadata-url'], folder),
      targetsUrl: folderUrl(mirror['targets-url'], folder),
    })),
    network: networkSettings(network, folder),
    slots: slotsOf(slots, folder),
    health: {
      command: health.command ?? null,
      timeoutMs: duration(path, 'health.timeout', health.timeout),
    },
    reboot,
    pollMs: duration(path, 'poll.interval', poll.interval),
  };
}

function slotsOf(slots: z.infer<typeof fileShape>['slots'], folder: string): SlotsConfig {
  if (slots.kind === 'directory') return { kind: slots.kind, folder: resolve(folder, slots.path) };
  const { kind, disk, active, tries, 'kernel-command-line': commandLine } = slots;
  return {
    ...{ kind, active, tries, disk: resolve(folder, disk) },
    kernelCommandLine: resolve(folder, commandLine),
  };
}

/** `file:` with a relative path is meant from the configuration's folder, too. */
function folderUrl(text: string, folder: string): string {
  const url = text.startsWith('file:')
    ? pathToFileURL(resolve(folder, text.replace(/^file:(?:\/\/)?/, ''))).href
    : text;
  return url.endsWith('/') ? url : `${url}/`;
}

async function readToml(path: string): Promise<unknown> {
  try {
    return parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof TomlError) {
      const [reason = ''] = cause.message.split('\n');
      throw new AgentError('agent/config', `${path}, line ${cause.line}: ${reason}`, { cause });
    }
    throw new AgentError('agent/config', `cannot read ${path}`, { cause });
  }
}

function checked(path: string, value: unknown): z.infer<typeof fileShape> {
  const result = fileShape.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = issue?.path.length === 0 ? '' : ` ${issue?.path.join('.') ?? ''}`;
  const what =
    issue?.code === 'unrecognized_keys' ? `unknown key ${issue.keys.join(', ')}` : issue?.message;
  throw new AgentError('agent/config', `${path}:${at} ${what}`);
}

function duration(path: string, key: string, text: string): number {
  try {
    return Math.max(1000, parseDuration(text));
  } catch (cause) {
    throw new AgentError(
      'agent/config',
      `${path}: ${key} must be like '5 minutes', got '${text}'`,
      { cause },
    );
  }
}
