import { FleetError } from './errors.ts';

type Requirement = {
  readonly key: string;
  /** Null asks only whether the label is there. */
  readonly values: readonly string[] | null;
  readonly isNegated: boolean;
};

/** A label selector as Kubernetes writes it; a host matches if it meets every requirement, so an empty one matches all. */
export type Selector = { readonly text: string; readonly requirements: readonly Requirement[] };

const KEY = '[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?';
const VALUE = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?';
const EQUALITY = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})?$`);
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EXISTENCE = new RegExp(`^(!)?\\s*(${KEY})$`);

/** Reads `role=canary,zone in (a,b),!spot`: `=`, `==`, `!=`, `in`, `notin`, a key, `!` and a key. Throws FleetError. */
export function parseSelector(text: string): Selector {
  // A comma inside of parentheses does not part two requirements.
  const parts = text.trim() === '' ? [] : text.split(/,(?![^(]*\))/).map((part) => part.trim());
  return { text, requirements: parts.map((part) => parseRequirement(part, text)) };
}

/** As in Kubernetes, `!=` and `notin` also match a host that does not have the label. */
export function isSelected(
  { requirements }: Selector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return requirements.every(({ key, values, isNegated }) => {
    const label = Object.hasOwn(labels, key) ? labels[key] : undefined;
    const isMet = label !== undefined && (values === null || values.includes(label));
    return isMet !== isNegated;
  });
}

function parseRequirement(part: string, text: string): Requirement {
  const [, key = '', operator = '', value = ''] = EQUALITY.exec(part) ?? [];
  if (key !== '') return { key, values: [value], isNegated: operator === '!=' };
  const [, setKey = '', setOperator = '', list = ''] = SET.exec(part) ?? [];
  if (setKey !== '') {
    const values = list.split(',').map((one) => one.trim());
    if (!values.every((one) => one === '' || new RegExp(`^${VALUE}$`).test(one)))
      throw bad(part, text);
    return { key: setKey, values, isNegated: setOperator === 'notin' };
  }
  const [, negation, existing = ''] = EXISTENCE.exec(part) ?? [];
  if (existing === '') throw bad(part, text);
  return { key: existing, values: null, isNegated: negation !== undefined };
}

function bad(part: string, text: string): FleetError {
  return new FleetError(
    'fleet/value',
    `labels must be a selector like 'role=canary,zone in (a,b)', got ${JSON.stringify(part)} in ${JSON.stringify(text.slice(0, 200))}`,
  );
}
