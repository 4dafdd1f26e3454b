import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { EventLog } from '../../agent/event-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

async function setup({ maxBytes = 1000, keep = 2 } = {}) {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'log', 'events.jsonl');
  const complaints: string[] = [];
  const log = new EventLog({ file, maxBytes, keep }, { write: (text) => complaints.push(text) });
  return {
    ...{ file, folder: join(folder.path, 'log'), log, complaints },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function lineOf(n: number): string {
  return `${JSON.stringify({ n, text: 'x'.repeat(80) })}\n`;
}

/** The numbers of the lines in a file; throws unless every line is whole. */
async function numbersIn(file: string): Promise<readonly number[]> {
  const text = await readFile(file, 'utf8');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [Number(JSON.parse(line).n)]));
}

describe('EventLog', () => {
  it('puts full files aside, keeps so many, and no file gets longer than it may', async () => {
    await using place = await setup();
    for (let n = 1; n <= 100; n += 1) place.log.write(lineOf(n));
    const names = (await readdir(place.folder)).toSorted();
    expect(names).toEqual(['events.jsonl', 'events.jsonl.1', 'events.jsonl.2']);
    const numbers: number[] = [];
    for (const name of names.toReversed()) {
      const path = join(place.folder, name);
      expect((await stat(path)).size).toBeLessThanOrEqual(1000);
      numbers.push(...(await numbersIn(path)));
    }
    const first = numbers[0] ?? 0;
    expect(numbers).toEqual(Array.from({ length: 101 - first }, (_, index) => first + index));
    expect(place.complaints).toEqual([]);
  });

  it('begins a new line behind one that a power cut tore', async () => {
    await using place = await setup();
    place.log.write(lineOf(1));
    await appendFile(place.file, '{"n":2,"te');
    place.log.write(lineOf(3));
    expect((await readFile(place.file, 'utf8')).split('\n')).toEqual([
      ...[lineOf(1).trimEnd(), '{"n":2,"te', lineOf(3).trimEnd(), ''],
    ]);
  });

  it('goes on in a new file after somebody moved the old one away', async () => {
    await using place = await setup();
    place.log.write(lineOf(1));
    await writeFile(place.file, '');
    place.log.write(lineOf(2));
    await expect(numbersIn(place.file)).resolves.toEqual([2]);
  });

  it('complains once of a file that cannot be written, and does not stop the agent', async () => {
    await using place = await setup();
    await mkdir(place.file, { recursive: true });
    place.log.write(lineOf(1));
    place.log.write(lineOf(2));
    expect(place.complaints.map((text): unknown => JSON.parse(text))).toEqual([
      { msg: 'log-failed', file: place.file, errno: 'EISDIR' },
    ]);
  });

  it('leaves whole lines and files of their size when its process is killed at any moment', async () => {
    await using place = await setup({ maxBytes: 2000, keep: 3 });
    const script = `
      const { EventLog } = await import(${JSON.stringify(new URL('../../agent/event-log.ts', import.meta.url).href)});
      const log = new EventLog(${JSON.stringify({ file: place.file, maxBytes: 2000, keep: 3 })}, process.stderr);
      for (let n = 1; ; n += 1) {
        log.write(JSON.stringify({ n, text: 'x'.repeat(n % 300) }) + '\\n');
        if (n % 64 === 0) process.stdout.write('.');
      }`;
    for (let kill = 1; kill <= 5; kill += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      for (let dots = 0; dots < kill; dots += 1) await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'close');
      expect(child.signalCode).toBe('SIGKILL');
      for (const name of await readdir(place.folder)) {
        const path = join(place.folder, name);
        expect((await stat(path)).size).toBeLessThanOrEqual(2000);
        expect(await numbersIn(path)).not.toContain(Number.NaN);
      }
    }
  });
});
