import type { Io } from '../../adapters/terminal/io.ts';
import { formatInstant } from '../../core/instant.ts';
import type { RolloutView } from '../../core/rollout-view.ts';
import { countsLine, gateText, rolloutLine } from './rollout-text.ts';

const BAR = 40;

/**
 * Shows one view after the other: on a terminal over the one before; else a line for each that differs, as JSON or as
 * text with the time.
 */
export function createWatchScreen({ stdout, now }: Io, isJson: boolean) {
  let last = '';
  let height = 0;
  return {
    show(view: RolloutView): void {
      if (stdout.isTTY === true && !isJson) {
        const lines = picture(view);
        const back = height === 0 ? '' : `\u001B[${height}A\u001B[0J`;
        stdout.write(`${back}${lines.join('\n')}\n`);
        height = lines.length;
        return;
      }
      const line = isJson ? JSON.stringify(view) : `${rolloutLine(view)}  ${countsLine(view)}`;
      if (line === last) return;
      last = line;
      stdout.write(isJson ? `${line}\n` : `${formatInstant(now())}  ${line}\n`);
    },
  };
}

function picture(view: RolloutView): readonly string[] {
  const { id, variant, arch, version, tide, completesAt, failures, gate, state, phase } = view;
  const full = Math.round((tide.seeds * BAR) / tide.of);
  return [
    `${id}  ${variant} ${arch} ${version}  ${state}, ${phase}`,
    `tide   ${'█'.repeat(full)}${'░'.repeat(BAR - full)}  ${tide.percent} %  (${tide.seeds} of ${tide.of})`,
    `hosts  ${countsLine(view)}`,
    `gate   ${gate === null ? '' : 'of wave '}${gateText(view)}`,
    `end    ${completesAt ?? 'not as things stand'}`,
    ...failures
      .slice(0, 5)
      .map(
        ({ hostId, stage, error }) =>
          `failed ${hostId} in ${stage}${error === null ? '' : `: ${error}`}`,
      ),
  ];
}
