import type { Why } from '../../core/why.ts';

/** For people: every rule between a host and its next release. */
export function whyLines(why: Why): readonly string[] {
  const group = why.group === null ? 'in no group' : `in group ${why.group}`;
  const reason = why.reason === null ? '' : `: ${why.reason}`;
  return [
    `${why.host} runs ${why.version}, ${group}; answer: ${why.decision}${reason}`,
    ...why.steps.flatMap(stepLines),
  ];
}

function stepLines(step: Why['steps'][number]): readonly string[] {
  const { position } = step;
  return [
    `${step.direction} to ${step.version} (rollout ${step.rolloutId})`,
    ...(position === null
      ? []
      : [
          `  seed ${position.seed}: ${waveText(position)}; tide ${position.tide} of ${position.of}`,
        ]),
    ...step.rules.map(({ rule, verdict, detail, until }) => {
      const end = until === null ? '' : ` (until ${until})`;
      return `  ${verdict}  ${rule.padEnd(11)}  ${detail}${end}`;
    }),
    step.eligibleAt === null
      ? '  eligible: cannot be told'
      : `  eligible: ${step.eligibleAt}, if ${step.assumes.join(', and ')}`,
  ];
}

function waveText({ wave, waves }: { readonly wave: number | null; readonly waves: number }) {
  return wave === null ? 'above the last wave' : `wave ${wave} of ${waves}`;
}
