import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { hostAnswerSchema } from '../../core/host-view.ts';
import type { HostAnswer } from '../../core/host-view.ts';
import { callServer } from '../control/call.ts';
import { addServerOptions, serverTarget } from '../server-target.ts';
import type { ServerOptions } from '../server-target.ts';
import { print } from '../usage.ts';
import { hostLine } from './host-list.ts';

export function hostShowCommand(io: Io): Command {
  const command = new Command('show')
    .description('what a server knows of a host, and what it would be told now and why')
    .argument('<id>', 'id of the host')
    .addHelpText('after', '\nExample:\n  tidegate host show host-1 --server http://127.0.0.1:8080')
    .action(async (id: string, options: ServerOptions) => {
      const target = await serverTarget(io, options);
      const path = `hosts/${encodeURIComponent(id)}`;
      const answer = await callServer(target, { method: 'GET', path }, hostAnswerSchema);
      print(io, options.json, answer, linesOf(answer));
    });
  return addServerOptions(command);
}

function linesOf({ host, decision }: HostAnswer): readonly string[] {
  const labels = Object.entries(host.labels).map(([name, value]) => `${name}=${value}`);
  return [
    hostLine(host),
    `seed ${host.seed}, first seen ${host.firstSeen}`,
    `labels: ${labels.length === 0 ? 'none' : labels.join(', ')}`,
    decisionLine(decision),
  ];
}

function decisionLine(decision: HostAnswer['decision']): string {
  if (decision.decision === 'update') {
    const { version, direction, rolloutId } = decision;
    const what = direction === 'forward' ? 'update' : 'go back';
    return `may ${what} to ${version} now, by rollout ${rolloutId}`;
  }
  const { reason, rolloutId, eligibleAt } = decision;
  const by = rolloutId === null ? '' : `, by rollout ${rolloutId}`;
  return `stays: ${reason}${by}${eligibleAt === null ? '' : `, eligible at ${eligibleAt}`}`;
}
