import type { AgentConfig } from './config.ts';
import { Journal } from './journal.ts';
import { Network } from './network/network.ts';
import type { Environment } from './network/proxy.ts';
import { ReportQueue } from './reports.ts';
import { CommandSlots } from './slots/command.ts';
import { directorySlots } from './slots/directory.ts';
import { GptSlots } from './slots/gpt.ts';
import type { Slots } from './slots/slots.ts';
import { linuxSystem } from './system.ts';
import type { System } from './system.ts';

/** All that a cycle works with. */
export type AgentContext = {
  readonly config: AgentConfig;
  readonly slots: Slots;
  readonly journal: Journal;
  readonly reports: ReportQueue;
  /** Whether there is a server that is told how attempts end, now or when it can be reached again. */
  readonly keepsReports: boolean;
  readonly system: System;
  readonly network: Network;
  readonly now: () => Date;
  /** 0 <= n < 1. */
  readonly random: () => number;
  readonly signal?: AbortSignal | undefined;
  /** Told what happens, as it happens. */
  readonly onEvent: (event: string, details: Readonly<Record<string, unknown>>) => void;
};

export function agentContext(
  config: AgentConfig,
  {
    env = {},
    ...rest
  }: Pick<AgentContext, 'now' | 'signal' | 'onEvent'> &
    Partial<Pick<AgentContext, 'random'>> & {
      /** Says which proxies there are, where the configuration does not. */
      readonly env?: Environment;
    },
): AgentContext {
  return {
    config,
    slots: openSlots(config),
    journal: new Journal(config.stateFolder),
    reports: new ReportQueue(config.stateFolder),
    keepsReports: config.server !== null,
    system: linuxSystem(config.reboot.command),
    network: new Network(config.network, env),
    random: Math.random,
    ...rest,
  };
}

function openSlots({ slots, stateFolder }: AgentConfig): Slots {
  switch (slots.kind) {
    case 'directory':
      return directorySlots(slots.folder);
    case 'gpt':
      return new GptSlots({ ...slots, stateFolder });
    case 'command':
      return new CommandSlots(slots);
  }
}
