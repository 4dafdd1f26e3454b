import { describe, expect, it } from '@jest/globals';
import { Processes } from './processes.ts';
import { linesOf } from './strace-log.ts';

const hex = (text: string) =>
  text.replaceAll(/./g, (one) => `\\x${one.charCodeAt(0).toString(16)}`);

/** The agent in thread 1, and programs that thread 1 runs. */
const LOG = [
  `1 execve("${hex('/bin/node')}", []) = 0`,
  '2 fsync(5) = 0',
  '1 clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 2',
  '1 vfork() = 3',
  '3 fsync(5) = 0',
  `3 execve("${hex('/nowhere/mv')}", []) = -1 ENOENT (No such file or directory)`,
  `3 execve("${hex('/bin/mv')}", []) = 0`,
  '3 fsync(5) = 0',
  '3 rename("", "") = 0',
  '3 fsync(5) = -1 EIO (Input/output error)',
];

function counted() {
  const processes = new Processes();
  const counts = [...linesOf(LOG.join('\n'))].map((line) => ({
    ...{ thread: line.thread, name: line.name },
    ...processes.count(line),
  }));
  return { processes, fsyncs: counts.filter(({ name }) => name === 'fsync') };
}

describe('Processes', () => {
  it('counts the calls of a program by their names, from its start, whether they worked or not', () => {
    const { processes, fsyncs } = counted();
    expect(processes.programs).toEqual(['/bin/mv']);
    expect(fsyncs.map(({ process, nth }) => [process, nth])).toEqual([
      [null, 1],
      [null, 1],
      [0, 1],
      [0, 2],
    ]);
  });

  it('takes a thread for one of the agent whose calls were seen before its beginning, and no process', () => {
    const { processes } = counted();
    expect(['1', '2', '3'].map((thread) => processes.isOfAgent(thread))).toEqual([
      ...[true, true, false],
    ]);
  });
});
