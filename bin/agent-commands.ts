import type { Command } from 'commander';
import type { Io } from '../adapters/terminal/io.ts';
import { agentConformanceCommand } from '../agent/commands/conformance.ts';
import { agentConfigShowCommand } from '../agent/commands/config-show.ts';
import { agentDoctorCommand } from '../agent/commands/doctor.ts';
import {
  agentInhibitAddCommand,
  agentInhibitListCommand,
  agentInhibitRemoveCommand,
} from '../agent/commands/inhibit.ts';
import { agentOnceCommand } from '../agent/commands/once.ts';
import { agentProvisionCommand } from '../agent/commands/provision.ts';
import { agentRunCommand } from '../agent/commands/run.ts';
import { agentSlotsActivateCommand } from '../agent/commands/slots-activate.ts';
import { agentSlotsAdoptCommand } from '../agent/commands/slots-adopt.ts';
import { agentSlotsCancelCommand } from '../agent/commands/slots-cancel.ts';
import { agentSlotsConformanceCommand } from '../agent/commands/slots-conformance.ts';
import { agentSlotsMarkGoodCommand } from '../agent/commands/slots-mark-good.ts';
import { agentSlotsRollbackCommand } from '../agent/commands/slots-rollback.ts';
import { agentSlotsStatusCommand } from '../agent/commands/slots-status.ts';
import { agentStatusCommand } from '../agent/commands/status.ts';
import { agentVerbCommand } from '../agent/commands/verb.ts';
import { agentWhyCommand } from '../agent/commands/why.ts';
import { agentWorkerCommand } from '../agent/commands/worker.ts';
import { VERBS } from '../agent/legal-verbs.ts';
import { agentOnTrialCommand } from '../agent/commands/on-trial.ts';
import { groupOf } from './command-line.ts';

/** `tidegate agent`: a part of the whole program, and all of the one that hosts get. */
export function agentCommands(io: Io): Command {
  const commands = groupOf('agent', 'the program on a host', [
    agentOnceCommand(io),
    agentRunCommand(io),
    agentStatusCommand(io),
    agentOnTrialCommand(io),
    agentProvisionCommand(io),
    ...VERBS.map((verb) => agentVerbCommand(io, verb)),
    agentWhyCommand(io),
    groupOf('inhibit', 'what keeps the agent from going on, for a time', [
      agentInhibitAddCommand(io),
      agentInhibitRemoveCommand(io),
      agentInhibitListCommand(io),
    ]),
    agentDoctorCommand(io),
    agentConformanceCommand(io),
    groupOf('config', 'what the agent is told to do', [agentConfigShowCommand(io)]),
    groupOf('slots', 'the slots of a host, and what its boot loader does with them', [
      agentSlotsStatusCommand(io),
      agentSlotsMarkGoodCommand(io),
      agentSlotsActivateCommand(io),
      agentSlotsCancelCommand(io),
      agentSlotsRollbackCommand(io),
      agentSlotsAdoptCommand(io),
      agentSlotsConformanceCommand(io),
    ]),
  ]);
  return commands.addCommand(agentWorkerCommand(io), { hidden: true });
}
