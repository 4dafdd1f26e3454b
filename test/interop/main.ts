import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startVersitygw } from '../support/versitygw.ts';
import { CLIENTS } from './clients.ts';
import type { LifeOptions } from './life.ts';
import { readLife } from './reading.ts';
import type { Reading } from './reading.ts';
import { KEY_KINDS, STATES } from './states.ts';
import { clientVersions } from './versions.ts';

// The long form of states.real.test.ts: every state of every life by every client in every way, as a table.

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'interop.md');
const MARK = '<!-- Below: npm run interop -- --write -->';

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });

/** A cell tells in how many ways the client read the state, or that it did not. */
function cell(readings: readonly Reading[]): string {
  const isRead = readings.every(({ result }) => result === 'read');
  return isRead ? `read (${readings.length})` : 'REFUSED';
}

function table(title: string, readings: readonly Reading[]): string {
  const names = CLIENTS.map(({ name }) => name);
  const rows = STATES.map(({ name }) => [
    name,
    ...names.map((client) =>
      cell(readings.filter((reading) => reading.state === name && reading.client === client)),
    ),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const head = ['state', ...names];
  return [`### ${title}`, '', ...[head, head.map(() => '---'), ...rows].map(line), ''].join('\n');
}

const started = Date.now();
const tables: string[] = [];
const failures: Reading[] = [];
let count = 0;
async function add(title: string, options: LifeOptions): Promise<void> {
  const readings = await readLife(CLIENTS, options);
  count += readings.length;
  tables.push(table(title, readings));
  process.stdout.write(`${tables.at(-1)}\n`);
  for (const reading of readings.filter(({ result }) => result !== 'read')) {
    const { client, state, way, result } = reading;
    failures.push(reading);
    process.stdout.write(`${client}, ${state}, ${way}: ${result}\n`);
  }
}

for (const { name, keys } of KEY_KINDS) await add(`A folder, ${name}`, { keys });
{
  await using store = await startVersitygw();
  const [{ name, keys }] = KEY_KINDS;
  const { env } = store;
  await add(`A bucket, ${name}`, { keys, env, url: store.storageUrl('fleet') });
}

const seconds = Math.round((Date.now() - started) / 1000);
const summary = `${CLIENTS.length} clients, ${STATES.length} states, ${tables.length} lives, ${count} readings, ${failures.length} failures, ${seconds} s`;
process.stdout.write(`${summary}\n`);
if (values.write) {
  const [prose = ''] = (await readFile(PAGE, 'utf8')).split(MARK);
  const day = new Date().toISOString().slice(0, 10);
  const head = `Run on ${day}: ${summary}. Clients: ${(await clientVersions()).join(', ')}.`;
  await writeFile(PAGE, `${prose}${MARK}\n\n${head}\n\n${tables.join('\n')}`);
}
process.exitCode = failures.length === 0 ? 0 : 1;
