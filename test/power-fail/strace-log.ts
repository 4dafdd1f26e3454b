/** A system call that came to its end. */
export type Line = {
  readonly thread: string;
  readonly name: string;
  /** Everything between the parentheses. */
  readonly flags: string;
  /** What stands there in quotes. */
  readonly strings: readonly Buffer[];
  readonly result: number;
  /** The file descriptor that is the first argument, and its path. */
  readonly fd: { readonly number: string; readonly path: string } | null;
};

/** Reads what `strace -f -y -xx` wrote, in the order in which calls ended. */
export function* linesOf(log: string): Generator<Line> {
  const unfinished = new Map<string, string>();
  for (const line of log.split('\n')) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const begun = / <unfinished \.\.\.>$/.exec(text);
    if (begun !== null) {
      unfinished.set(thread, text.slice(0, begun.index));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const whole = resumed === null ? text : `${unfinished.get(thread) ?? ''}${resumed[1]}`;
    const call = /^(\w+)\((.*)\) += (-?\d+)/.exec(whole);
    if (call === null) continue;
    const [, name = '', flags = '', result = ''] = call;
    const [, number, path = ''] = /^(\d+)<([^>]*)>/.exec(flags) ?? [];
    const strings = [...flags.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)];
    yield {
      ...{ thread, name, flags, result: Number(result) },
      fd: number === undefined ? null : { number, path: unescaped(path).toString() },
      strings: strings.map(([, escaped = '']) => unescaped(escaped)),
    };
  }
}

function unescaped(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}
