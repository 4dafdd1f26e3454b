import { access, constants } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { AgentConfig } from '../config.ts';
import type { Program } from '../programs.ts';
import { bad, good, warning } from './check.ts';
import type { Check } from './check.ts';
import { refusal } from './state-folder.ts';

/** Whether the programs that the configuration names are there; the agent would find out after an activation. */
export async function checkPrograms(
  { health, hooks, reboot }: Pick<AgentConfig, 'health' | 'hooks' | 'reboot'>,
  searchPath: string,
): Promise<readonly Check[]> {
  const named: readonly (readonly [string, Program])[] = [
    ...(health.command === null ? [] : [['health.command', health.command] as const]),
    ...Object.entries(hooks.programs).flatMap(([name, program]) =>
      program === undefined ? [] : [[`hooks.${name}`, program] as const],
    ),
    ...(reboot.policy === 'automatic' ? [['reboot.command', reboot.command] as const] : []),
  ];
  const missing: Check[] = [];
  for (const [key, [file]] of named) {
    if (await canBeRun(file, searchPath)) continue;
    const advice = `install it, or correct ${key}`;
    missing.push(bad('programs', `${key}: there is no program ${file} that can be run`, advice));
  }
  if (missing.length > 0) return missing;
  const names = named.map(([, [file]]) => file).join(', ');
  return [good('programs', names === '' ? 'none is configured' : `${names} can be run`)];
}

const WRITE_ADVICE =
  'let the agent write there; its unit may with ReadWritePaths= (`systemctl start tidegate-agent-doctor` tells)';

/** Whether what is written for others can be written. */
export async function checkOutputs({
  metricsFile,
  log,
}: Pick<AgentConfig, 'metricsFile' | 'log'>): Promise<readonly Check[]> {
  const files = [metricsFile, log?.file ?? null].filter((file) => file !== null);
  const found: Check[] = [];
  for (const folder of files.map((file) => dirname(file))) {
    const errno = await refusal(folder);
    // A folder that is missing is made.
    if (errno === null || errno === 'ENOENT') continue;
    found.push(warning('outputs', `${folder} cannot be written: ${errno}`, WRITE_ADVICE));
  }
  if (found.length > 0) return found;
  return [good('outputs', files.length === 0 ? 'none is configured' : 'can be written')];
}

async function canBeRun(file: string, searchPath: string): Promise<boolean> {
  const candidates = file.includes('/')
    ? [file]
    : searchPath.split(delimiter).map((folder) => join(folder, file));
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return true;
    } catch {
      // The next one may be it.
    }
  }
  return false;
}
