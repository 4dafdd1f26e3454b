import { pathToFileURL } from 'node:url';
import * as z from 'zod';
import { DEFAULT_TRIES } from '../core/gpt/signpost.ts';
import { MOST_TRIES } from '../core/gpt/slot-bits.ts';
import { SEED_COUNT, seedOfHost } from '../core/seed.ts';
import { isArch, isVariant } from '../core/tuf/names.ts';
import type { ConfigPlace } from './config-files.ts';
import { settingsOf } from './config-settings.ts';
import type { Setting } from './config-settings.ts';
import { checked, durationAt, faultAt, pathAt, readConfigText } from './config-text.ts';
import type { ConfigText } from './config-text.ts';
import type { KeyPath } from './toml-tree.ts';
import type { EventLogOptions } from './event-log.ts';
import { lifeOf, lifeShape } from './life-config.ts';
import type { LifeConfig } from './life-config.ts';
import type { SlotsProgram } from './slots/command-program.ts';
import { networkSettings, networkShape } from './network/settings.ts';
import type { NetworkSettings } from './network/settings.ts';
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
    z.strictObject({
      kind: z.literal('command'),
      program: z.tuple([z.string().min(1)], z.string()),
      timeout: z.string().default('5 minutes'),
    }),
  ]),
  ...lifeShape,
  poll: z.strictObject({ interval: z.string() }).default({ interval: '5 minutes' }),
  metrics: z
    .strictObject({
      textfile: z.string().endsWith('.prom', 'must end in .prom, or nobody collects it').optional(),
    })
    .prefault({}),
  log: z
    .strictObject({
      file: z.string().min(1).optional(),
      'max-mib': z.int().min(1).max(10_000).default(10),
      keep: z.int().min(1).max(100).default(3),
    })
    .prefault({}),
});

type FileShape = z.infer<typeof fileShape>;

export type SlotsConfig =
  | { readonly kind: 'directory'; readonly folder: string }
  | ({ readonly kind: 'gpt' } & Omit<GptOptions, 'stateFolder'>)
  | ({ readonly kind: 'command' } & SlotsProgram);

export type AgentConfig = LifeConfig & {
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
  readonly pollMs: number;
  /** Where figures for node_exporter are written after each cycle; null is nowhere. */
  readonly metricsFile: string | null;
  /** Where events are kept besides stderr; null is nowhere. */
  readonly log: EventLogOptions | null;
};

/** The configuration with all that can be told about it. */
export type LoadedConfig = {
  readonly config: AgentConfig;
  /** Every value in force. */
  readonly settings: readonly Setting[];
  /** The files that were read, and what lay among the drop-ins and is none. */
  readonly files: readonly string[];
  readonly ignored: readonly string[];
};

/** Reads FILE and FILE.d/*.toml. Throws `agent/config` naming the file, the line and the key of the first that is wrong. */
export async function readConfig(path: string): Promise<AgentConfig> {
  return (await loadConfig({ kind: 'file', path })).config;
}

/** As `readConfig`, from a file or from the standard places, with the origin of each value. */
export async function loadConfig(place: ConfigPlace): Promise<LoadedConfig> {
  const text = await readConfigText(place);
  const file = checked(text, fileShape);
  const config = configOf(text, file);
  const { host, metadataUrl, targetsUrl } = config;
  const settings = settingsOf(text, file, [
    { path: ['host', 'seed'], value: host.seed, from: 'host.id' },
    { path: ['repository', 'metadata-url'], value: metadataUrl, from: 'server.url' },
    { path: ['repository', 'targets-url'], value: targetsUrl, from: 'server.url' },
  ]);
  return { config, settings, files: text.files, ignored: text.ignored };
}

function configOf(text: ConfigText, file: FileShape): AgentConfig {
  const { host, server, repository, poll, metrics } = file;
  const metadataUrl = repository['metadata-url'];
  const targetsUrl = repository['targets-url'];
  if (server?.url === undefined && (metadataUrl === undefined || targetsUrl === undefined)) {
    throw faultAt(
      text,
      ['repository'],
      'without a server url, [repository] needs metadata-url and targets-url',
    );
  }
  const serverUrl =
    server?.url === undefined ? null : folderUrl(text, ['server', 'url'], server.url);
  const urlOf = (key: 'metadata-url' | 'targets-url', otherwise: string) =>
    folderUrl(text, ['repository', key], repository[key] ?? otherwise);
  const stateFolder = pathAt(text, ['state'], file.state);
  return {
    stateFolder,
    host: {
      id: host.id,
      variant: host.variant,
      arch: host.arch,
      seed: host.seed ?? seedOfHost(host.id),
      group: host.group ?? null,
      labels: host.labels ?? {},
    },
    server: serverUrl === null ? null : { url: serverUrl, fallback: server?.fallback ?? 'stay' },
    trustAnchor: pathAt(text, ['repository', 'root'], repository.root),
    metadataUrl: urlOf('metadata-url', `${serverUrl}repo/metadata/`),
    targetsUrl: urlOf('targets-url', `${serverUrl}repo/targets/`),
    mirrors: repository.mirrors.map((mirror, index) => ({
      metadataUrl: mirrorUrl(text, index, mirror, 'metadata-url'),
      targetsUrl: mirrorUrl(text, index, mirror, 'targets-url'),
    })),
    network: networkSettings(text, file.network),
    slots: slotsOf(text, file.slots),
    ...lifeOf(text, file, stateFolder),
    pollMs: durationAt(text, ['poll', 'interval'], poll.interval),
    metricsFile:
      metrics.textfile === undefined
        ? null
        : pathAt(text, ['metrics', 'textfile'], metrics.textfile),
    log: logOf(text, file.log),
  };
}

function slotsOf(text: ConfigText, slots: FileShape['slots']): SlotsConfig {
  const path = (key: string, value: string) => pathAt(text, ['slots', key], value);
  if (slots.kind === 'directory') return { kind: slots.kind, folder: path('path', slots.path) };
  if (slots.kind === 'command') {
    const [file, ...args] = slots.program;
    return {
      kind: slots.kind,
      // A bare name is looked up on PATH.
      program: [file.includes('/') ? path('program', file) : file, ...args],
      timeoutMs: durationAt(text, ['slots', 'timeout'], slots.timeout),
    };
  }
  const { kind, disk, active, tries } = slots;
  return {
    ...{ kind, active, tries, disk: path('disk', disk) },
    kernelCommandLine: path('kernel-command-line', slots['kernel-command-line']),
  };
}

function logOf(text: ConfigText, { file, keep, 'max-mib': mib }: FileShape['log']) {
  if (file === undefined) return null;
  return { file: pathAt(text, ['log', 'file'], file), maxBytes: mib * 1024 * 1024, keep };
}

/** Ends in `/`. `file:` with a relative path is meant like any other path. */
function folderUrl(text: ConfigText, path: KeyPath, value: string): string {
  const url = value.startsWith('file:')
    ? pathToFileURL(pathAt(text, path, value.replace(/^file:(?:\/\/)?/, ''))).href
    : value;
  return url.endsWith('/') ? url : `${url}/`;
}

function mirrorUrl(
  text: ConfigText,
  index: number,
  mirror: FileShape['repository']['mirrors'][number],
  key: 'metadata-url' | 'targets-url',
): string {
  return folderUrl(text, ['repository', 'mirrors', index, key], mirror[key]);
}
