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

/** Every client has a repository of its own. */
type LifeOf = (client: string) => LifeOptions;

async function readAll(lifeOf: LifeOf): Promise<ReadonlyMap<string, readonly Reading[]>> {
  const readings = new Map<string, readonly Reading[]>();
  for (const client of CLIENTS) {
    readings.set(client.name, await readLife(client, lifeOf(client.name)));
  }
  return readings;
}

/** A cell tells in how many ways the client read the state, or that it did not. */
function cell(readings: readonly Reading[]): string {
  const isRead = readings.every(({ result }) => result === 'read');
  return isRead ? `read (${readings.length})` : 'REFUSED';
}

function table(title: string, byClient: ReadonlyMap<string, readonly Reading[]>): string {
  const clients = [...byClient.keys()];
  const rows = STATES.map(({ name }) => [
    name,
    ...clients.map((client) =>
      cell(byClient.get(client)?.filter(({ state }) => state === name) ?? []),
    ),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    `### ${title}`,
    '',
    ...[['state', ...clients], ['state', ...clients].map(() => '---'), ...rows].map(line),
    '',
  ].join('\n');
}

const started = Date.now();
const tables: string[] = [];
const failures: Reading[] = [];
async function add(title: string, lifeOf: LifeOf): Promise<void> {
  const byClient = await readAll(lifeOf);
  tables.push(table(title, byClient));
  process.stdout.write(`${tables.at(-1)}\n`);
  for (const [client, readings] of byClient) {
    for (const reading of readings.filter(({ result }) => result !== 'read')) {
      failures.push(reading);
      process.stdout.write(`${client}, ${reading.state}, ${reading.way}: ${reading.result}\n`);
    }
  }
}

for (const { name, keys } of KEY_KINDS) await add(`A folder, ${name}`, () => ({ keys }));
{
  await using store = await startVersitygw();
  const [{ name, keys }] = KEY_KINDS;
  const { env } = store;
  await add(`A bucket, ${name}`, (client) => ({
    ...{ keys, env, url: store.storageUrl(client.replaceAll(' ', '-')) },
  }));
}

const seconds = Math.round((Date.now() - started) / 1000);
const summary = `${CLIENTS.length} clients, ${STATES.length} states, ${tables.length} lives, ${failures.length} failures, ${seconds} s`;
process.stdout.write(`${summary}\n`);
if (values.write) {
  const [prose = ''] = (await readFile(PAGE, 'utf8')).split(MARK);
  const day = new Date().toISOString().slice(0, 10);
  const head = `Run on ${day}: ${summary}. Clients: ${(await clientVersions()).join(', ')}.`;
  await writeFile(PAGE, `${prose}${MARK}\n\n${head}\n\n${tables.join('\n')}`);
}
process.exitCode = failures.length === 0 ? 0 : 1;
