import { join } from 'node:path';
import * as z from 'zod';
import type { MaintenanceWindow } from '../core/fleet/rules.ts';
import { windowSchema } from '../core/fleet/schema.ts';
import { durationAt, pathAt } from './config-text.ts';
import type { ConfigText } from './config-text.ts';
import type { HookName } from './hooks.ts';
import type { Program } from './programs.ts';

const program = z.tuple([z.string().min(1)], z.string());

/** The tables of agent.toml that say how updates fit into the life of a host. */
export const lifeShape = {
  update: z
    .strictObject({
      automatic: z.enum(['check', 'prepare', 'apply']).default('apply'),
      windows: z.array(windowSchema).default([]),
      rollback: z.enum(['at-once', 'waits']).default('at-once'),
      inhibitors: z.string().min(1).optional(),
    })
    .prefault({}),
  hooks: z
    .strictObject({
      'before-prepare': program.optional(),
      'before-apply': program.optional(),
      'before-reboot': program.optional(),
      'after-confirm': program.optional(),
      'after-failure': program.optional(),
      'after-fallback': program.optional(),
      'after-cancel': program.optional(),
      timeout: z.string().default('10 minutes'),
    })
    .prefault({}),
  health: z
    .strictObject({
      unit: z.string().min(1).optional(),
      folder: z.string().min(1).optional(),
      command: program.optional(),
      timeout: z.string().default('5 minutes'),
      confirm: z.enum(['automatic', 'manual']).default('automatic'),
    })
    .prefault({}),
  api: z
    .strictObject({
      socket: z.string().min(1),
      mode: z
        .string()
        .regex(/^0[0-7]{3}$/, "must be a file mode like '0660'")
        .default('0600'),
    })
    .optional(),
  reboot: z
    .strictObject({
      policy: z.enum(['manual', 'automatic']).default('manual'),
      command: program.default(['systemctl', 'reboot']),
    })
    .prefault({}),
};

export type LifeConfig = {
  /** Where the agent that stays serves its API, and who may use it; null is nowhere. */
  readonly api: { readonly socket: string; readonly mode: number } | null;
  readonly update: {
    /** How far the agent goes without being asked by a person. */
    readonly automatic: 'check' | 'prepare' | 'apply';
    /** When it may activate and boot; without any it always may. */
    readonly windows: readonly MaintenanceWindow[];
    /** Whether a way back waits for them too. */
    readonly rollback: 'at-once' | 'waits';
  };
  /** Absolute path. */
  readonly inhibitorFolder: string;
  readonly hooks: {
    readonly programs: Readonly<Partial<Record<HookName, Program | undefined>>>;
    readonly timeoutMs: number;
  };
  /** What proves after an activation that the host is well; without anything it is taken for well. */
  readonly health: {
    readonly unit: string | null;
    readonly folder: string | null;
    readonly command: Program | null;
    readonly timeoutMs: number;
    readonly confirm: 'automatic' | 'manual';
  };
  /** Whether the agent boots the host by itself, and how. */
  readonly reboot: { readonly policy: 'manual' | 'automatic'; readonly command: Program };
};

const lifeSchema = z.object(lifeShape);

/** What those tables mean. Throws `agent/config` for durations that are none. */
export function lifeOf(
  text: ConfigText,
  { update, hooks, health, api, reboot }: z.infer<typeof lifeSchema>,
  stateFolder: string,
): LifeConfig {
  const { inhibitors, ...policy } = update;
  const { timeout, ...programs } = hooks;
  return {
    update: policy,
    inhibitorFolder:
      inhibitors === undefined
        ? join(stateFolder, 'inhibitors')
        : pathAt(text, ['update', 'inhibitors'], inhibitors),
    hooks: { programs, timeoutMs: durationAt(text, ['hooks', 'timeout'], timeout) },
    health: {
      unit: health.unit ?? null,
      folder:
        health.folder === undefined ? null : pathAt(text, ['health', 'folder'], health.folder),
      command: health.command ?? null,
      timeoutMs: durationAt(text, ['health', 'timeout'], health.timeout),
      confirm: health.confirm,
    },
    api:
      api === undefined
        ? null
        : {
            socket: pathAt(text, ['api', 'socket'], api.socket),
            mode: Number.parseInt(api.mode, 8),
          },
    reboot,
  };
}
