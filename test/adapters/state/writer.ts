// A process that writes to a state until it is done, refused or killed, and says each time what is durable:
//   node writer.ts FOLDER NAME COUNT
import { writeSync } from 'node:fs';
import { openState } from '../../../adapters/state/open.ts';
import { StateError } from '../../../adapters/state/state.ts';
import { record } from './samples.ts';

const [folder = '.', name = 'writer', count = '0'] = process.argv.slice(2);
const NOW = new Date('2025-08-25T18:00:00Z');

await using state = await openState('sqlite:S/state.db', { cwd: folder });

async function reportFailure(hostId: string, id: string): Promise<void> {
  const report = { id, rolloutId: 'r1', from: '1.0.0', to: '1.1.0', stage: 'write', at: NOW };
  await state.recordReports(hostId, [{ ...report, outcome: 'failed', error: null }], NOW);
}

async function writeAll(): Promise<void> {
  for (let index = 0; index < Number(count); index += 1) {
    await reportFailure(`${name}-${index}`, 'first');
    writeSync(1, `report ${name}-${index}\n`);
    await reportFailure('shared', `${index}`);
    const id = `${name}-${index}`;
    await state.enqueueVerb({ id, json: '{}', acceptedAt: NOW }, record(id));
    writeSync(1, `verb ${name}-${index}\n`);
  }
}

try {
  await writeAll();
} catch (error) {
  if (!(error instanceof StateError)) throw error;
  writeSync(1, `refused ${error.code}\n`);
  process.exitCode = 1;
}
