// npm run matrix [-- --samples N --kill-every N --fail-every N --read-every N --program-every N --seed N --write]    the last line is JSON
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format } from 'prettier';
import { SYSTEMD_BOOT_EXAMPLE } from '../agent/slots/systemd-boot-host.ts';
import { runMatrix, sumOf } from './matrix.ts';
import type { Row } from './matrix.ts';

const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'power-fail.md');
const MARKS = ['<!-- begin of the table -->', '<!-- end of the table -->'] as const;

const { values } = parseArgs({
  options: {
    samples: { type: 'string', default: '100000' },
    'kill-every': { type: 'string', default: '1' },
    'fail-every': { type: 'string', default: '1' },
    'read-every': { type: 'string' },
    'program-every': { type: 'string' },
    seed: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
  },
});

const { rows, recovered, complaints } = await runMatrix({
  hosts: [
    { slots: 'directory', units: [512, 4096], disturbs: ['agent'] },
    { slots: 'gpt', sectorBytes: 512, units: [512, 4096], disturbs: ['agent'] },
    { slots: 'gpt', sectorBytes: 4096, units: [512, 4096], disturbs: ['agent'] },
    {
      slots: 'command',
      script: SYSTEMD_BOOT_EXAMPLE,
      units: [512, 4096],
      disturbs: ['agent', 'program'],
    },
  ],
  everyUpTo: 2 ** 14,
  samples: Number(values.samples),
  recoveries: 3,
  killEvery: Number(values['kill-every']),
  failEvery: Number(values['fail-every']),
  programEvery: Number(values['program-every'] ?? values['kill-every']),
  readEvery: Number(values['read-every'] ?? values['fail-every']),
  seed: Number(values.seed),
  say: (line) => process.stderr.write(`${line}\n`),
});

const table = tableOf(rows);
process.stdout.write(`${table}\n${recovered} hosts went on from a power loss to the end\n`);
complaints.forEach((complaint) => process.stderr.write(`${complaint}\n`));
if (values.write) await writeTable(table);
const count = rows.reduce(sumOf, { states: 0, old: 0, new: 0, neither: 0 });
process.stdout.write(`${JSON.stringify(count)}\n`);
process.exitCode = complaints.length === 0 && count.neither === 0 ? 0 : 1;

function tableOf(all: readonly Row[]): string {
  const head = ['slots', 'what', 'step', 'states', 'old', 'new', 'neither'];
  const lines = all.map((row) => [
    ...[row.host, row.what, row.step],
    ...[row.states, row.old, row.new, row.neither].map((number) => number.toLocaleString('en')),
  ]);
  return [head, head.map((_, index) => (index < 3 ? '---' : '--:')), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

async function writeTable(text: string): Promise<void> {
  const document = await readFile(DOCUMENT, 'utf8');
  const [begin, end] = MARKS.map((mark) => document.indexOf(mark));
  if (begin === undefined || end === undefined || begin < 0 || end < begin) {
    throw new Error(`${DOCUMENT} has no place for the table`);
  }
  const next = `${document.slice(0, begin)}${MARKS[0]}\n\n${text}\n\n${document.slice(end)}`;
  await writeFile(DOCUMENT, await format(next, { parser: 'markdown', printWidth: 100 }));
}
