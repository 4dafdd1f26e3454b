import { readFile } from 'node:fs/promises';
import { onDisk } from './on-disk.ts';
import { AgentError } from './errors.ts';
import { runProgram } from './programs.ts';
import type { Program } from './programs.ts';

/** The machine that the agent runs on. */
export type System = {
  /** Another one after each boot. */
  readonly bootId: () => Promise<string>;
  /** Asks for a boot and returns: the system ends the agent when it is time. Throws `agent/reboot`. */
  readonly reboot: () => Promise<void>;
};

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const REBOOT_MS = 60_000;

export function linuxSystem(rebootProgram: Program): System {
  return {
    bootId: async () =>
      (await onDisk(`reading ${BOOT_ID}`, () => readFile(BOOT_ID, 'utf8'))).trim(),
    reboot: async () => {
      const { isGood, message } = await runProgram(rebootProgram, { timeoutMs: REBOOT_MS });
      if (!isGood) throw new AgentError('agent/reboot', message);
    },
  };
}
