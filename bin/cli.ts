import type { Command } from 'commander';
import { KEY_SOURCES } from '../adapters/signing/open.ts';
import type { Io } from '../adapters/terminal/io.ts';
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
import { operatorNewCommand } from '../repo-tools/commands/operator-new.ts';
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
import { stateExportCommand } from '../server/commands/state-export.ts';
import { stateImportCommand } from '../server/commands/state-import.ts';
import { agentCommands } from './agent-commands.ts';
import { groupOf, newProgram, runCommandLine } from './command-line.ts';
import { completionCommand } from './completion/command.ts';

function buildProgram(io: Io): Command {
  const program = newProgram('Publish, roll out and install OS images, safely');
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
  group(program, 'operator', 'who may use a server, and for what', [operatorNewCommand(io)]);
  group(program, 'state', 'what a server knows of hosts, reports and verbs', [
    stateExportCommand(io),
    stateImportCommand(io),
  ]);
  program.addCommand(agentCommands(io));
  group(program, 'bottlerocket', 'what unmodified Bottlerocket hosts do', [
    bottlerocketWavesCommand(io),
    bottlerocketDecideCommand(io),
  ]);
  program.addCommand(completionCommand(io));
  explainKeys(program);
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

/** Where a key is taken, the help says how one is given. */
function explainKeys(command: Command): void {
  if (takesKeys(command)) {
    command.addHelpText('after', ['\nA key is given as', ...KEY_SOURCES].join('\n  '));
  }
  command.commands.forEach(explainKeys);
}

function takesKeys(command: Command): boolean {
  const isAboutKeys = command.parent?.name() === 'key';
  return (
    command.options.some(({ flags }) => /[<=]source\b/.test(flags)) ||
    (isAboutKeys && command.registeredArguments.some((argument) => argument.name() === 'source'))
  );
}

/** Runs one command line (without `node` and the script) and returns the exit code; never throws. */
export function runCli(argv: readonly string[], io: Io): Promise<number> {
  return runCommandLine(buildProgram(io), argv, io);
}
