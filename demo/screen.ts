import { SEED_COUNT } from '../core/seed.ts';

export type Frame = {
  readonly title: string;
  readonly tide: number;
  /** Version of each host, in the order of their seeds; null while nothing is active. */
  readonly hosts: readonly { readonly id: string; readonly version: string | null }[];
  readonly wanted: string;
};

const BAR_WIDTH = 40;

/** Draws the fleet over and over in place on a terminal; elsewhere it writes a line whenever a host moves. */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  #drawnLines = 0;
  #last = '';

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** A line that stays. */
  say(line: string): void {
    this.#drawnLines = 0;
    this.#out.write(`${line}\n`);
  }

  draw(frame: Frame): void {
    const moved = frame.hosts.filter(({ version }) => version === frame.wanted).length;
    const lines = [
      frame.title,
      `  tide   ${bar(frame.tide / SEED_COUNT)} ${frame.tide} of ${SEED_COUNT} seeds`,
      `  hosts  ${bar(moved / frame.hosts.length)} ${moved} of ${frame.hosts.length} on ${frame.wanted}`,
      `  ${frame.hosts.map(({ id, version }) => `${id.slice(-2)}:${version ?? '-'}`).join(' ')}`,
    ];
    if (this.#out.isTTY) this.#redraw(lines);
    else
      this.#line(
        `${frame.title}: tide ${frame.tide}, ${moved} of ${frame.hosts.length} on ${frame.wanted}`,
        moved,
      );
  }

  #redraw(lines: readonly string[]): void {
    const width = this.#out.columns;
    const up = this.#drawnLines === 0 ? '' : `\u001b[${this.#drawnLines}A`;
    this.#out.write(up + lines.map((line) => `\u001b[2K${line.slice(0, width - 1)}\n`).join(''));
    this.#drawnLines = lines.length;
  }

  #line(line: string, moved: number): void {
    const key = `${line.split(':')[0]} ${moved}`;
    if (key === this.#last) return;
    this.#last = key;
    this.#out.write(`${line}\n`);
  }
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}]`;
}
