import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import type { Output } from '../adapters/terminal/io.ts';

export type EventLogOptions = {
  readonly file: string;
  /** A file that would get longer is put aside as `file.1`, and that before it as `file.2`. */
  readonly maxBytes: number;
  /** How many files that were put aside are kept. */
  readonly keep: number;
};

const NEW_LINE = 0x0a;

/**
 * Events in files, one JSON object a line. Each line is one write to the end of the file, which is opened for it alone, so
 * that whoever is killed leaves whole lines; what a power cut tore is closed before the next line.
 */
export class EventLog {
  readonly #options: EventLogOptions;
  readonly #complaints: Output;
  #isFailing = false;

  /** `complaints` hears of it when the file cannot be written. */
  constructor(options: EventLogOptions, complaints: Output) {
    this.#options = options;
    this.#complaints = complaints;
  }

  /** A log that cannot be written keeps no host from its updates: it is complained of, once until it goes well again. */
  write(line: string): void {
    try {
      append(this.#options, Buffer.from(line));
      this.#isFailing = false;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (!this.#isFailing) {
        const complaint = { msg: 'log-failed', file: this.#options.file, errno };
        this.#complaints.write(`${JSON.stringify(complaint)}\n`);
      }
      this.#isFailing = true;
    }
  }
}

function append(options: EventLogOptions, line: Buffer): void {
  const { file, maxBytes } = options;
  mkdirSync(dirname(file), { recursive: true });
  const isWritten = withFile(file, (fd, size) => {
    if (size > 0 && size + line.length > maxBytes) return false;
    writeLine(fd, size, line);
    return true;
  });
  if (isWritten) return;
  putAside(options);
  withFile(file, (fd, size) => {
    writeLine(fd, size, line);
  });
}

function withFile<T>(file: string, work: (fd: number, size: number) => T): T {
  const fd = openSync(file, 'a+', 0o640);
  try {
    return work(fd, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

function writeLine(fd: number, size: number, line: Buffer): void {
  const bytes = isTorn(fd, size) ? Buffer.concat([Buffer.of(NEW_LINE), line]) : line;
  const written = writeSync(fd, bytes);
  if (written === bytes.length) return;
  // A disk that is full took a part: half an object helps nobody.
  ftruncateSync(fd, size);
  throw Object.assign(new Error('a part of a line was written'), { code: 'ENOSPC' });
}

function isTorn(fd: number, size: number): boolean {
  const last = Buffer.alloc(1);
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== NEW_LINE;
}

/** From the oldest on, so that who is killed in between loses none but the oldest. */
function putAside({ file, keep }: EventLogOptions): void {
  for (let n = keep; n >= 1; n -= 1) {
    const from = n === 1 ? file : `${file}.${n - 1}`;
    try {
      renameSync(from, `${file}.${n}`);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}
