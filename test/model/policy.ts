/** The releases of the model's repository, the oldest first, with what their signed documents allow. */
export const RELEASES = [
  { version: '1.0.0', minimumFrom: null, rollbackTo: [] },
  { version: '1.1.0', minimumFrom: null, rollbackTo: ['1.0.0'] },
  { version: '1.2.0', minimumFrom: null, rollbackTo: ['1.0.0', '1.1.0'] },
  { version: '1.3.0', minimumFrom: '1.1.0', rollbackTo: ['1.2.0'] },
  { version: '1.4.0', minimumFrom: '1.2.0', rollbackTo: ['1.2.0', '1.3.0'] },
] as const satisfies readonly {
  readonly version: string;
  readonly minimumFrom: string | null;
  readonly rollbackTo: readonly string[];
}[];

export const VERSIONS: readonly string[] = RELEASES.map(({ version }) => version);

/** A version's place among all, so that the model needs no rules of semver. */
export function rankOf(version: string): number {
  return VERSIONS.indexOf(version);
}

export function documentOf(version: string): {
  readonly minimumFrom: string | null;
  readonly rollbackTo: readonly string[];
} {
  const document = RELEASES.find((one) => one.version === version);
  if (document === undefined) throw new Error(`no release ${version}`);
  return document;
}

export const HOUR_MS = 3_600_000;
export const SEEDS = 2048;

export type Share = { readonly percentage: number; readonly minimum: number };

export type WaveSpec = {
  readonly afterHours: number;
  readonly percent: number;
  readonly soakHours: number;
  readonly success: Share | null;
  readonly approval: boolean;
};

/** A wave policy in the words of its file. */
export type PolicySpec = {
  readonly waves: readonly WaveSpec[];
  readonly rampHours: number;
  readonly halt: (Share & { readonly backTo: string | null }) | null;
  readonly outcomeWithinHours: number | null;
};

export const EVERYONE: PolicySpec = {
  waves: [{ afterHours: 0, percent: 100, soakHours: 0, success: null, approval: false }],
  rampHours: 0,
  halt: null,
  outcomeWithinHours: null,
};

/** The file of a policy. */
export function policyText({ waves, rampHours, halt, outcomeWithinHours }: PolicySpec): string {
  const lines =
    outcomeWithinHours === null ? [] : [`outcome_within = '${outcomeWithinHours} hours'`];
  if (halt !== null) {
    lines.push('[halt]', `failed_percentage = ${halt.percentage}`, `minimum = ${halt.minimum}`);
    if (halt.backTo !== null) lines.push(`roll_back_to = '${halt.backTo}'`);
  }
  for (const [index, wave] of waves.entries()) {
    lines.push('[[waves]]', `start_after = '${wave.afterHours} hours'`);
    lines.push(`fleet_percentage = ${wave.percent}`, ...gateLines(wave));
    if (index === waves.length - 1 && rampHours > 0) lines.push(`ramp = '${rampHours} hours'`);
  }
  return lines.join('\n');
}

function gateLines({ soakHours, success, approval }: WaveSpec): readonly string[] {
  const conditions = [
    ...(soakHours > 0 ? [`soak = '${soakHours} hours'`] : []),
    ...(success === null
      ? []
      : [`success_percentage = ${success.percentage}`, `minimum = ${success.minimum}`]),
    ...(approval ? ['approval = true'] : []),
  ];
  return conditions.length === 0 ? [] : [`gate = { ${conditions.join(', ')} }`];
}

/** A wave on the clock: it opens with `before` seeds, and has risen to `after` at `fullAtMs`. */
export type WaveStep = {
  readonly index: number;
  readonly opensAtMs: number;
  readonly fullAtMs: number;
  readonly before: number;
  readonly after: number;
  readonly success: Share | null;
  readonly approval: boolean;
};

export function stepsOf({ waves, rampHours }: PolicySpec): readonly WaveStep[] {
  let soakedMs = 0;
  let before = 0;
  return waves.map(({ afterHours, percent, soakHours, success, approval }, index) => {
    soakedMs += soakHours * HOUR_MS;
    const opensAtMs = afterHours * HOUR_MS + soakedMs;
    const next = waves[index + 1];
    const fullAtMs =
      next === undefined ? opensAtMs + rampHours * HOUR_MS : next.afterHours * HOUR_MS + soakedMs;
    const after = Math.floor((SEEDS * percent) / 100);
    const step = { index, opensAtMs, fullAtMs, before, after, success, approval };
    before = after;
    return step;
  });
}
