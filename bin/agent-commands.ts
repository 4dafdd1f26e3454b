import type { Command } from 'commander';
import type { Io } from '../adapters/terminal/io.ts';
import { agentOnTrialCommand } from '../agent/commands/on-trial.ts';
import { agentOnceCommand } from '../agent/commands/once.ts';
import { agentProvisionCommand } from '../agent/commands/provision.ts';
import { agentRunCommand } from '../agent/commands/run.ts';
import { agentSlotsActivateCommand } from '../agent/commands/slots-activate.ts';
import { agentSlotsAdoptCommand } from '../agent/commands/slots-adopt.ts';
import { agentSlotsCancelCommand } from '../agent/commands/slots-cancel.ts';
import { agentSlotsMarkGoodCommand } from '../agent/commands/slots-mark-good.ts';
import { agentSlotsRollbackCommand } from '../agent/commands/slots-rollback.ts';
import { agentSlotsStatusCommand } from '../agent/commands/slots-status.ts';
import { agentStatusCommand } from '../agent/commands/status.ts';
import { groupOf } from './command-line.ts';

/** `tidegate agent`: a part of the whole program, and all of the one that hosts get. */
export function agentCommands(io: Io): Command {
  return groupOf('agent', 'the program on a host', [
    agentOnceCommand(io),
    agentRunCommand(io),
    agentStatusCommand(io),
    agentOnTrialCommand(io),
    agentProvisionCommand(io),
    groupOf('slots', 'the GPT slots of a disk, and what its boot loader does with them', [
      agentSlotsStatusCommand(io),
      agentSlotsMarkGoodCommand(io),
      agentSlotsActivateCommand(io),
      agentSlotsCancelCommand(io),
      agentSlotsRollbackCommand(io),
      agentSlotsAdoptCommand(io),
    ]),
  ]);
}
