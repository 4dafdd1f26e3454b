import { spawn } from 'node:child_process';
import { COMPILE_CACHE } from './compile-cache.ts';

/** One command of a transcript, and what the document shows as its output. */
export type TranscriptStep = { readonly command: string; readonly shown: string };

/** The commands (`$ …`, with what continues them) and outputs of all ```console blocks, in order. */
export function readTranscript(markdown: string): readonly TranscriptStep[] {
  // In a list they are indented.
  const blocks = [...markdown.matchAll(/^( *)```console\n(.*?)^\1```$/gms)].map(
    ([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
  const steps: { command: string; output: string[] }[] = [];
  for (const line of blocks.flatMap((block) => block.trimEnd().split('\n'))) {
    const last = steps.at(-1);
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), output: [] });
    else if (last !== undefined && isUnfinished(last.command)) last.command += `\n${line}`;
    else last?.output.push(line);
  }
  return steps.map(({ command, output }) => ({ command, shown: output.join('\n').trim() }));
}

/** Continued by a backslash, or inside a here-document. */
function isUnfinished(command: string): boolean {
  const [, word] = /<<'(\w+)'/.exec(command) ?? [];
  return command.endsWith('\\') || (word !== undefined && !command.endsWith(`\n${word}`));
}

/**
 * Runs the commands one after the other in one bash. Where the real output fits what is shown (`…` stands for anything
 * within a line), the result repeats what is shown; else it is the real output, so that a comparison tells both.
 */
export async function runTranscript(
  steps: readonly TranscriptStep[],
  options: { readonly cwd: string; readonly path: string },
): Promise<readonly TranscriptStep[]> {
  const marks = steps.map((_, index) => `--- end of step ${index} ---`);
  const script = steps.flatMap(({ command }, index) => [command, `echo; echo '${marks[index]}'`]);
  // Jobs left in the background end with the shell.
  const lines = ['exec 2>&1', "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT", ...script];
  const output = await bash(lines.join('\n'), options);
  let rest = output;
  return steps.map(({ command, shown }, index) => {
    const mark = marks[index] ?? '';
    const end = rest.indexOf(mark);
    const real = (end < 0 ? rest : rest.slice(0, end)).trim();
    rest = end < 0 ? '' : rest.slice(end + mark.length);
    return { command, shown: fits(real, shown) ? shown : real };
  });
}

function fits(real: string, shown: string): boolean {
  const pattern = shown
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${pattern}$`).test(real);
}

function bash(
  script: string,
  { cwd, path }: { readonly cwd: string; readonly path: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      ...COMPILE_CACHE,
      PATH: `${path}:${process.env['PATH'] ?? ''}`,
      XDG_STATE_HOME: cwd,
    };
    const child = spawn('bash', ['-c', script], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => chunks.push(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => chunks.push(text));
    child.on('error', reject);
    child.on('close', () => {
      resolve(chunks.join(''));
    });
  });
}
