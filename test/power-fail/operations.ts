import { Processes } from './processes.ts';
import { linesOf } from './strace-log.ts';
import type { Line } from './strace-log.ts';

/** What a process did to the files of a host, in the order in which the kernel finished it; paths begin at the host's folder. */
export type Operation =
  /** A call to the slots began or was over. */
  | { readonly kind: 'step'; readonly line: string }
  | { readonly kind: 'make-file'; readonly path: string }
  | { readonly kind: 'make-folder'; readonly path: string }
  | { readonly kind: 'make-link'; readonly path: string; readonly target: string }
  | { readonly kind: 'resize'; readonly path: string; readonly length: number }
  | { readonly kind: 'write'; readonly path: string; readonly at: number; readonly bytes: Buffer }
  /** `offsets`: where the handle that is synced ever wrote. */
  | { readonly kind: 'sync'; readonly path: string; readonly offsets: readonly number[] }
  | { readonly kind: 'rename'; readonly from: string; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string };

/** A system call on a file of the host, whether it worked or not. */
export type Call = {
  readonly name: string;
  readonly path: string;
  /** The path before, of a file that is renamed. */
  readonly from: string | null;
  readonly thread: string;
};

/** The same of a program that the agent runs, or that this one runs. */
export type ProgramCall = Call & {
  /** The how-manyeth program it is, from 0. */
  readonly process: number;
  /** The how-manyeth call of this name that the program makes, on whatever file, from 1. */
  readonly nth: number;
  /** How many programs were started until then. */
  readonly started: number;
};

export type Recording = {
  readonly operations: readonly Operation[];
  /** Those of the agent that change files or make them durable. */
  readonly calls: readonly Call[];
  /** Those of the agent that open, read, list and look at files. */
  readonly reads: readonly Call[];
  /** Where programs are, in the order in which they were started. */
  readonly programs: readonly string[];
  /** Those of programs that make files, change them or make them durable. */
  readonly programCalls: readonly ProgramCall[];
};

/** The calls that change files or make them durable. */
export const CHANGING_CALLS = [
  ...['write', 'pwrite64', 'writev', 'pwritev', 'truncate', 'ftruncate', 'fallocate'],
  ...['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'rmdir', 'mkdir', 'mkdirat'],
  ...['symlink', 'symlinkat', 'link', 'linkat', 'fsync', 'fdatasync', 'copy_file_range'],
];
/** The calls that may find a file unreadable. To open one is among them, whatever it is opened for. */
export const READING_CALLS = [
  ...['openat', 'read', 'pread64', 'getdents64', 'readlink', 'readlinkat', 'access', 'faccessat2'],
  ...['stat', 'lstat', 'fstat', 'newfstatat', 'statx', 'statfs', 'fstatfs'],
];
/** How strace must be told to look for `readRecording`. */
export const RECORDED_CALLS = [
  ...[...CHANGING_CALLS, ...READING_CALLS, 'close'],
  ...['clone', 'clone3', 'fork', 'vfork', 'execve'],
];

type Handle = { readonly path: string; position: number; readonly offsets: number[] };
type Count = ReturnType<Processes['count']>;
type Places = { readonly folder: string; readonly stepsFile: string };

/** Reads what `strace -f -y -xx` wrote of the agent and the programs that it runs, one at a time. Throws for a call that it has no meaning for. */
export function readRecording(log: string, { folder, stepsFile }: Places): Recording {
  const operations: Operation[] = [];
  const calls: (Call & Count)[] = [];
  const reads: (Call & Count)[] = [];
  const processes = new Processes();
  const handles = new Map<string, Handle>();
  /** The last that was opened of each file: a program has its output moved to another number. */
  const lastOf = new Map<string, Handle>();
  const inside = (path: string) =>
    path === folder ? '.' : path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : null;
  for (const line of linesOf(log)) {
    const { thread, name, fd, strings, flags, result } = line;
    const count = processes.count(line);
    if (name === 'write' && fd?.path === stepsFile) {
      operations.push({ kind: 'step', line: (strings[0] ?? Buffer.alloc(0)).toString().trim() });
      continue;
    }
    if (READING_CALLS.includes(name)) {
      const path = inside(fd?.path ?? String(strings[0] ?? ''));
      if (path !== null) reads.push({ name, path, from: null, thread, ...count });
      if (path !== null && count.process !== null && flags.includes('O_CREAT')) {
        calls.push({ name, path, from: null, thread, ...count });
      }
    }
    if (name === 'openat') {
      const path = inside(String(strings[0] ?? ''));
      if (path === null || result < 0) continue;
      const handle = { path, position: 0, offsets: [] };
      handles.set(String(result), handle);
      lastOf.set(path, handle);
      operations.push(...opened(path, flags));
      continue;
    }
    if (name === 'close') {
      // Processes have numbers of their own.
      if (fd !== null && handles.get(fd.number)?.path === inside(fd.path))
        handles.delete(fd.number);
      continue;
    }
    if (!CHANGING_CALLS.includes(name)) continue;
    const path = inside(fd === null ? String(strings.at(-1) ?? '') : fd.path);
    if (path === null) continue;
    const from = name.startsWith('rename') ? inside(String(strings[0])) : null;
    calls.push({ name, path, from, thread, ...count });
    if (result < 0) continue;
    const numbered = fd === null ? undefined : handles.get(fd.number);
    const handle = numbered?.path === path ? numbered : lastOf.get(path);
    operations.push(meaningOf({ name, path, strings, result, flags }, handle, inside));
  }
  const { programs } = processes;
  const isOfAgent = ({ thread, process }: Call & Count) =>
    process === null && processes.isOfAgent(thread);
  const programCalls = calls
    .filter((call) => !isOfAgent(call))
    .map(({ process, ...call }) => {
      if (process === null) throw new Error(`${call.path} was changed before a program was run`);
      return { ...call, process };
    });
  return {
    ...{ operations, programs, programCalls },
    ...{ calls: calls.filter(isOfAgent), reads: reads.filter(isOfAgent) },
  };
}

function opened(path: string, flags: string): Operation[] {
  // A power loss may leave anything in a temporary file: nobody may ever look into one. `sync` opens it like that.
  if (path.endsWith('.tmp') && !/O_WRONLY|O_RDWR|O_NONBLOCK/.test(flags)) {
    throw new Error(`${path} was opened to be read`);
  }
  return [
    ...(flags.includes('O_CREAT') ? [{ kind: 'make-file', path } as const] : []),
    ...(flags.includes('O_TRUNC') ? [{ kind: 'resize', path, length: 0 } as const] : []),
  ];
}

type Done = Pick<Line, 'name' | 'strings' | 'result' | 'flags'> & { readonly path: string };

function meaningOf(
  { name, path, strings, result, flags }: Done,
  handle: Handle | undefined,
  inside: (path: string) => string | null,
): Operation {
  const last = Number(/, (\d+)$/.exec(flags)?.[1]);
  switch (name) {
    case 'write':
    case 'pwrite64': {
      if (handle === undefined) throw new Error(`${path} was written through an unknown handle`);
      const at = name === 'write' ? handle.position : last;
      handle.position += name === 'write' ? result : 0;
      handle.offsets.push(at);
      return {
        kind: 'write',
        path,
        at,
        bytes: (strings[0] ?? Buffer.alloc(0)).subarray(0, result),
      };
    }
    case 'fsync':
    case 'fdatasync':
      return { kind: 'sync', path, offsets: handle?.offsets ?? [] };
    case 'ftruncate':
      return { kind: 'resize', path, length: last };
    case 'rename':
    case 'renameat':
    case 'renameat2': {
      const from = inside(String(strings[0]));
      if (from === null) throw new Error(`${path} came from elsewhere`);
      return { kind: 'rename', from, path };
    }
    case 'unlink':
    case 'unlinkat':
    case 'rmdir':
      return { kind: 'remove', path };
    case 'mkdir':
      return { kind: 'make-folder', path };
    case 'symlink':
      return { kind: 'make-link', path, target: String(strings[0]) };
    default:
      throw new Error(`no meaning is known for ${name} of ${path}`);
  }
}
