import { Command, CommanderError } from 'commander';
import { KEY_SOURCES } from '../adapters/signing/open.ts';
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
import { VERBS } from '../agent/legal-verbs.ts';
import { SIMPLE_VERBS } from '../core/verb.ts';
import { auditExportCommand } from '../repo-tools/commands/audit-export.ts';
import { auditListCommand } from '../repo-tools/commands/audit-list.ts';
import { auditVerifyCommand } from '../repo-tools/commands/audit-verify.ts';
import { hostListCommand } from '../repo-tools/commands/host-list.ts';
import { hostShowCommand } from '../repo-tools/commands/host-show.ts';
import { bottlerocketDecideCommand } from '../repo-tools/commands/bottlerocket-decide.ts';
import { bottlerocketWavesCommand } from '../repo-tools/commands/bottlerocket-waves.ts';
import { keyEncryptCommand } from '../repo-tools/commands/key-encrypt.ts';
import { keyExportCommand } from '../repo-tools/commands/key-export.ts';
import { delegateAddCommand } from '../repo-tools/commands/delegate-add.ts';
import { delegateRemoveCommand } from '../repo-tools/commands/delegate-remove.ts';
import { delegateReplaceCommand } from '../repo-tools/commands/delegate-replace.ts';
import { keyNewCommand } from '../repo-tools/commands/key-new.ts';
import { keyPublicCommand } from '../repo-tools/commands/key-public.ts';
import { keyShowCommand } from '../repo-tools/commands/key-show.ts';
import { publishCommand } from '../repo-tools/commands/publish.ts';
import { releaseAmendCommand } from '../repo-tools/commands/release-amend.ts';
import { releaseListCommand } from '../repo-tools/commands/release-list.ts';
import { releaseShowCommand } from '../repo-tools/commands/release-show.ts';
import { releaseWithdrawCommand } from '../repo-tools/commands/release-withdraw.ts';
import { repoImportCommand } from '../repo-tools/commands/repo-import.ts';
import { repoExpiryCommand } from '../repo-tools/commands/repo-expiry.ts';
import { repoGcCommand } from '../repo-tools/commands/repo-gc.ts';
import { repoInitCommand } from '../repo-tools/commands/repo-init.ts';
import { repoRecoverCommand } from '../repo-tools/commands/repo-recover.ts';
import { repoRotateCommand } from '../repo-tools/commands/repo-rotate.ts';
import { repoMirrorCommand } from '../repo-tools/commands/repo-mirror.ts';
import { repoRefreshCommand } from '../repo-tools/commands/repo-refresh.ts';
import { repoLintCommand } from '../repo-tools/commands/repo-lint.ts';
import { repoStatusCommand } from '../repo-tools/commands/repo-status.ts';
import { repoVerifyCommand } from '../repo-tools/commands/repo-verify.ts';
import { groupListCommand } from '../repo-tools/commands/group-list.ts';
import { groupShowCommand } from '../repo-tools/commands/group-show.ts';
import { rolloutApplyCommand } from '../repo-tools/commands/rollout-apply.ts';
import { rolloutChangeCommand } from '../repo-tools/commands/rollout-change.ts';
import { rolloutListCommand } from '../repo-tools/commands/rollout-list.ts';
import { rolloutPreviewCommand } from '../repo-tools/commands/rollout-preview.ts';
import { rolloutRollbackCommand } from '../repo-tools/commands/rollout-rollback.ts';
import { rolloutSimulateCommand } from '../repo-tools/commands/rollout-simulate.ts';
import { rolloutShowCommand } from '../repo-tools/commands/rollout-show.ts';
import { rolloutStartCommand } from '../repo-tools/commands/rollout-start.ts';
import { rolloutWatchCommand } from '../repo-tools/commands/rollout-watch.ts';
import { rolloutWhyCommand } from '../repo-tools/commands/rollout-why.ts';
import { rootApplyCommand } from '../repo-tools/commands/root-apply.ts';
import { rootCancelCommand } from '../repo-tools/commands/root-cancel.ts';
import { rootProposeCommand } from '../repo-tools/commands/root-propose.ts';
import { rootReviewCommand } from '../repo-tools/commands/root-review.ts';
import { rootSignCommand } from '../repo-tools/commands/root-sign.ts';
import { serveCommand } from '../server/commands/serve.ts';
import { completionCommand } from './completion/command.ts';
import { stateExportCommand } from '../server/commands/state-export.ts';
import { stateImportCommand } from '../server/commands/state-import.ts';
import { CALLED_WRONGLY, failureOf } from './failure.ts';

function buildProgram(io: Io): Command {
  const program = new Command('tidegate')
    .description('Publish, roll out and install OS images, safely')
    .showHelpAfterError('(see --help)');
  group(program, 'key', 'signing keys', [
    keyNewCommand(io),
    keyShowCommand(io),
    keyPublicCommand(io),
    keyExportCommand(io),
    keyEncryptCommand(io),
  ]);
  group(program, 'repo', 'the repository of signed files', [
    repoInitCommand(io),
    repoLintCommand(io),
    repoStatusCommand(io),
    repoVerifyCommand(io),
    repoRefreshCommand(io),
    repoExpiryCommand(io),
    repoImportCommand(io),
    repoRotateCommand(io),
    repoRecoverCommand(io),
    groupOf('root', 'change who may sign, by several people', [
      rootProposeCommand(io),
      rootReviewCommand(io),
      rootSignCommand(io),
      rootApplyCommand(io),
      rootCancelCommand(io),
    ]),
    groupOf('delegate', 'who may sign releases of which variant and arch', [
      delegateAddCommand(io),
      delegateRemoveCommand(io),
      delegateReplaceCommand(io),
    ]),
    repoGcCommand(io),
    repoMirrorCommand(io),
  ]);
  program.addCommand(publishCommand(io));
  group(program, 'release', 'published releases and their terms', [
    releaseListCommand(io),
    releaseShowCommand(io),
    releaseAmendCommand(io),
    releaseWithdrawCommand(io),
  ]);
  group(program, 'rollout', 'give releases to the fleet, and take them back', [
    rolloutStartCommand(io),
    rolloutListCommand(io),
    rolloutShowCommand(io),
    rolloutWatchCommand(io),
    ...SIMPLE_VERBS.map((kind) => rolloutChangeCommand(io, kind)),
    rolloutRollbackCommand(io),
    rolloutPreviewCommand(io),
    rolloutApplyCommand(io),
    rolloutWhyCommand(io),
    rolloutSimulateCommand(io),
  ]);
  group(program, 'audit', 'who did what to the rollouts of a server', [
    auditListCommand(io),
    auditVerifyCommand(io),
    auditExportCommand(io),
  ]);
  group(program, 'host', 'the hosts that a server has seen', [
    hostListCommand(io),
    hostShowCommand(io),
  ]);
  group(program, 'group', 'groups of hosts with rules of their own', [
    groupListCommand(io),
    groupShowCommand(io),
  ]);
  program.addCommand(serveCommand(io));
  group(program, 'state', 'what a server knows of hosts, reports and verbs', [
    stateExportCommand(io),
    stateImportCommand(io),
  ]);
  group(program, 'agent', 'the program on a host', [
    agentOnceCommand(io),
    agentRunCommand(io),
    agentStatusCommand(io),
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
  group(program, 'bottlerocket', 'what unmodified Bottlerocket hosts do', [
    bottlerocketWavesCommand(io),
    bottlerocketDecideCommand(io),
  ]);
  program.addCommand(completionCommand(io));
  configure(program, io);
  return program;
}

function group(
  program: Command,
  name: string,
  description: string,
  commands: readonly Command[],
): void {
  program.addCommand(groupOf(name, description, commands));
}

function groupOf(name: string, description: string, commands: readonly Command[]): Command {
  const parent = new Command(name).description(description);
  commands.forEach((command) => parent.addCommand(command));
  return parent;
}

/** Settings that commander does not pass on to commands made elsewhere. */
function configure(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: (text, write) => {
      write(text.replace(/^error: /, 'tidegate: error: '));
    },
  });
  if (takesKeys(command)) {
    command.addHelpText('after', ['\nA key is given as', ...KEY_SOURCES].join('\n  '));
  }
  command.commands.forEach((child) => {
    configure(child, io);
  });
}

function takesKeys(command: Command): boolean {
  const isAboutKeys = command.parent?.name() === 'key';
  return (
    command.options.some(({ flags }) => /[<=]source\b/.test(flags)) ||
    (isAboutKeys && command.registeredArguments.some((argument) => argument.name() === 'source'))
  );
}

/** Runs one command line (without `node` and the script) and returns the exit code; never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  try {
    await buildProgram(io).parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has said what was wrong with the command line already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : CALLED_WRONGLY;
    const { exitCode, lines } = failureOf(error);
    lines.forEach((line) => io.stderr.write(`${line}\n`));
    return exitCode;
  }
}
