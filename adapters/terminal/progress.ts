import { Presets, SingleBar } from 'cli-progress';
import type { Io } from './io.ts';

// A transfer that ends within the clock's resolution has no rate to speak of.
const SHORTEST_SECONDS = 0.001;

/** Shows how far a transfer is: a bar on a terminal, else one line at its end. */
export type Progress = {
  advance(bytes: number): void;
  /** Call it once, whether the transfer worked or not. */
  end(): void;
};

export function startProgress({ stderr, now }: Io, label: string, totalBytes: number): Progress {
  if (stderr.isTTY !== true) {
    const startedMs = now().getTime();
    let done = 0;
    return {
      advance: (bytes) => {
        done += bytes;
      },
      end: () => {
        const seconds = (now().getTime() - startedMs) / 1000;
        const rate = formatBytes(Math.round(done / Math.max(seconds, SHORTEST_SECONDS)));
        stderr.write(
          `${label}: ${done} of ${totalBytes} bytes in ${seconds.toFixed(1)} s, ${rate}/s\n`,
        );
      },
    };
  }
  const startedMs = now().getTime();
  let done = 0;
  const bar = new SingleBar(
    {
      format: `${label} {bar} {percentage} % of {size}, {rate}/s, ETA {eta_formatted}`,
      stream: process.stderr,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  bar.start(totalBytes, 0, { size: formatBytes(totalBytes), rate: '-' });
  return {
    advance: (bytes) => {
      done += bytes;
      const seconds = (now().getTime() - startedMs) / 1000;
      const rate = done / Math.max(seconds, SHORTEST_SECONDS);
      bar.increment(bytes, { rate: formatBytes(Math.round(rate)) });
    },
    end: () => {
      bar.stop();
    },
  };
}

/** For people: `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const exponent = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** exponent;
  return `${exponent === 0 ? value : value.toFixed(1)} ${units[exponent]}`;
}
