import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { AgentError } from '../../../agent/errors.ts';
import { CommandSlots } from '../../../agent/slots/command.ts';
import { collect } from '../../support/bytes.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { codeOf } from '../error-code.ts';

const EMPTY = { seal: null, images: {}, room: 1_000_000, good: false, failed: false };
const HELD = { ...EMPTY, images: { root: 10 } };

function answer(result: object): string {
  return JSON.stringify({ protocol: 'tidegate.slots/1', result });
}

function stateWith(slots: object = {}, rest: object = {}): string {
  return answer({ running: 'b', next: 'b', slots: { a: EMPTY, b: EMPTY, ...slots }, ...rest });
}

function refusal(code: string): string {
  return JSON.stringify({ protocol: 'tidegate.slots/1', error: { code, message: 'as it is' } });
}

/** A program that gives its state, and does for every other operation what the shell lines say. */
function program(lines: string, { state = stateWith(), timeoutMs = 60_000 } = {}): CommandSlots {
  const script = [
    'IFS= read -r request',
    `case $request in *'"state"'*) echo '${state}'; exit 0 ;; esac`,
    lines,
  ];
  return new CommandSlots({ program: ['/bin/sh', '-c', script.join('\n')], timeoutMs });
}

function stateOf(lines: string, timeoutMs = 60_000): Promise<unknown> {
  return new CommandSlots({ program: ['/bin/sh', '-c', lines], timeoutMs }).roomForImages();
}

async function messageOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AgentError) return error.message;
    throw error;
  }
  return 'no error';
}

async function writeAll(slots: CommandSlots, size: number): Promise<void> {
  const writer = await slots.writeImage('root', size);
  try {
    for (let at = 0; at < size; at += 65_536) {
      await writer.write(Buffer.alloc(Math.min(65_536, size - at), 'x'));
    }
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

describe('CommandSlots', () => {
  it('sends each request as one line of compact JSON with its keys in the order of the protocol', async () => {
    await using folder = await temporaryFolder();
    const log = join(folder.path, 'log');
    const slots = program(`echo "$request" >>'${log}'; cat >/dev/null; echo '${answer({})}'`);
    await slots.clearInactive();
    await writeAll(slots, 10);
    await slots.markGood();
    const start = '{"protocol":"tidegate.slots/1","operation":';
    expect((await readFile(log, 'utf8')).trimEnd().split('\n')).toEqual([
      `${start}"clear","slot":"a"}`,
      `${start}"write","slot":"a","image":"root","size":10}`,
      `${start}"mark-good","slot":"b"}`,
    ]);
  });

  it('goes by the places of images where the program says them, and by the room alone where it does not', async () => {
    const held = (places: object) => stateWith({ a: { ...EMPTY, room: 100, ...places } });
    const roomy = program('true', { state: held({}) });
    expect(await roomy.spaceRefusal({ root: 60, data: 40 })).toBeNull();
    expect(await roomy.spaceRefusal({ root: 60, data: 41 })).toContain('100 are free');
    const placed = program('true', { state: held({ places: { root: 70, boot: 70 } }) });
    expect(await placed.spaceRefusal({ root: 70, boot: 30 })).toBeNull();
    expect(await placed.spaceRefusal({ root: 71 })).toContain('its place has 70');
    expect(await placed.spaceRefusal({ root: 1, data: 1 })).toContain('no place for image data');
    expect(await placed.spaceRefusal({ root: 70, boot: 31 })).toContain('100 are free');
  });

  it.each([
    { case: 'nothing', lines: 'true' },
    { case: 'no JSON', lines: 'echo hello' },
    { case: 'an answer behind other words', lines: `echo hello; echo '${stateWith()}'` },
    { case: 'two answers', lines: `echo '${stateWith()}'; echo '${stateWith()}'` },
    { case: 'an answer without an end', lines: `printf '%s' '${stateWith()}'` },
    { case: 'half an answer', lines: `echo '${stateWith().slice(0, 50)}'` },
    { case: 'another protocol', lines: `echo '${stateWith().replace('/1', '/2')}'` },
    { case: 'the result of something else', lines: `echo '${answer({})}'` },
    { case: 'a key that is not known', lines: `echo '${stateWith({}, { more: 1 })}'` },
    { case: 'a slot that there is not', lines: `echo '${stateWith({}, { next: 'c' })}'` },
    {
      case: 'a size below 0',
      lines: `echo '${stateWith({ a: { ...EMPTY, images: { root: -1 } } })}'`,
    },
    {
      case: 'an image name that is none',
      lines: `echo '${stateWith({ a: { ...EMPTY, images: { '../x': 1 } } })}'`,
    },
    {
      case: 'a seal that is no base64',
      lines: `echo '${stateWith({ a: { ...EMPTY, seal: '#' } })}'`,
    },
    { case: 'an error that is not known', lines: `echo '${refusal('tired')}'; exit 1` },
    { case: 'bytes that are no text', lines: String.raw`printf '\377\376\000\n'` },
    { case: 'more than an answer ever has', lines: 'yes hello' },
  ])('takes $case for one clear error', async ({ lines }) => {
    expect(await codeOf(stateOf(lines))).toBe('agent/slots');
    expect(await messageOf(stateOf(lines))).toMatch(/^\/bin\/sh, state .*gave /);
  });

  it('believes no result of a program that exits with something else than 0', async () => {
    const said = messageOf(stateOf(`echo '${stateWith()}'; echo why >&2; exit 3`));
    expect(await said).toBe('/bin/sh, state exited with 3: why');
  });

  it.each([
    { said: 'full', code: 'agent/full' },
    { said: 'disk', code: 'agent/disk' },
    { said: 'image', code: 'agent/image' },
    { said: 'slots', code: 'agent/slots' },
    { said: 'unsupported', code: 'agent/slots' },
  ])('passes the error $said on as $code', async ({ said, code }) => {
    const slots = program(`echo '${refusal(said)}'; exit 1`);
    expect(await codeOf(slots.clearInactive())).toBe(code);
    expect(await messageOf(slots.clearInactive())).toBe('/bin/sh, clear: as it is');
  });

  it.each([
    { case: 'is not there', file: '/does/not/exist' },
    { case: 'is a folder', file: '/' },
    { case: 'may not be run', file: '/etc/passwd' },
  ])('reports a program that $case', async ({ file }) => {
    const slots = new CommandSlots({ program: [file], timeoutMs: 60_000 });
    expect(await codeOf(slots.read())).toBe('agent/slots');
    expect(await messageOf(slots.read())).toContain('cannot be run');
  });

  it('kills a program that is silent for too long, with all that it started', async () => {
    await using folder = await temporaryFolder();
    const pid = join(folder.path, 'pid');
    const lines = `sleep 600 & echo $! >'${pid}'; wait`;
    expect(await codeOf(stateOf(lines, 300))).toBe('agent/slots');
    const child = Number(await readFile(pid, 'utf8'));
    // It may be a zombie still, until init takes note of it.
    const status = await readFile(`/proc/${child}/stat`, 'utf8').catch(() => 'gone Z');
    expect(status).toMatch(/ Z/);
  });

  it('does not wait for what a program left running behind it', async () => {
    const lines = `sleep 600 & echo '${stateWith()}'`;
    expect(await codeOf(stateOf(lines, 300))).toBe('agent/slots');
  });

  it('hears a refusal in the middle of an image as what it is', async () => {
    const slots = program(`head -c 100000 >/dev/null; echo '${refusal('full')}'; exit 1`);
    expect(await codeOf(writeAll(slots, 900_000))).toBe('agent/full');
  });

  it('takes an image for written only if the program took it to its end', async () => {
    const slots = program(`head -c 100000 >/dev/null; echo '${answer({})}'`);
    expect(await codeOf(writeAll(slots, 900_000))).toBe('agent/slots');
  });

  it('kills a program whose image is given up, and begins anew with another', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'image');
    const pid = join(folder.path, 'pid');
    const slots = program(`echo $$ >'${pid}'; cat >'${file}'; echo '${answer({})}'`);
    const writer = await slots.writeImage('root', 4);
    await writer.write(Buffer.from('xyz'));
    await writer.restart();
    await writer.write(Buffer.from('abcd'));
    await writer.finish();
    expect(await readFile(file, 'utf8')).toBe('abcd');
    const last = await readFile(pid, 'utf8');
    const given = await slots.writeImage('root', 4);
    while ((await readFile(pid, 'utf8')) === last) await given.write(Buffer.alloc(0));
    const started = Number(await readFile(pid, 'utf8'));
    expect(existsSync(`/proc/${started}`)).toBe(true);
    await given.abandon();
    expect(existsSync(`/proc/${started}`)).toBe(false);
  });

  it.each([
    { case: 'too few bytes', lines: `echo '${answer({})}'; printf 123456789` },
    { case: 'too many bytes', lines: `echo '${answer({})}'; printf 12345678901` },
    { case: 'bytes without an answer', lines: 'printf 1234567890' },
    { case: 'bytes, and then fails', lines: `echo '${answer({})}'; printf 1234567890; exit 1` },
    { case: 'bytes without an end', lines: `echo '${answer({})}'; yes` },
  ])('reads nothing from a program that gives $case', async ({ lines }) => {
    const slots = program(lines, { state: stateWith({ a: HELD }) });
    expect(await codeOf(collect(slots.readImage('root')))).toBe('agent/slots');
  });

  it('reads bytes that look like an answer as what they are', async () => {
    const slots = program(`echo '${answer({})}'; printf '{"x":\\n1}\\n\\0'`, {
      state: stateWith({ a: HELD }),
    });
    expect((await collect(slots.readImage('root'))).toString()).toBe('{"x":\n1}\n\0');
  });

  it('refuses what cannot have room without asking the program', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'asked');
    await writeFile(file, '');
    const slots = program(`echo x >>'${file}'`, {
      state: stateWith({ a: { ...EMPTY, images: { boot: 999_999 } } }),
    });
    expect(await codeOf(slots.writeImage('root', 2))).toBe('agent/full');
    expect(await readFile(file, 'utf8')).toBe('');
  });
});
