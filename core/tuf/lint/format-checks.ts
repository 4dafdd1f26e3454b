import { visit } from 'jsonc-parser';
import { SPEC_VERSION } from '../edit.ts';
import { CLIENTS } from './check.ts';
import type { LintCheck, Place } from './check.ts';
import type { Facts } from './facts.ts';
import { faultsOfForm } from './form.ts';
import { isObject, objectOf, show } from './raw.ts';
import type { Document } from './raw.ts';

/** What holds for every metadata file, and for the root as a whole. */
export const FORMAT_CHECKS: readonly LintCheck[] = [
  {
    name: 'json',
    severity: 'error',
    reason: 'clients refuse what is not JSON, or read an object that says a key twice differently',
    clients: CLIENTS,
    find: inDocuments(({ file }) => (file.fault === null ? [] : [file.fault])),
  },
  {
    name: 'form',
    severity: 'error',
    reason: 'a field is missing, or of another type than the TUF specification gives it',
    clients: CLIENTS,
    find: inDocuments((document) =>
      document.file.signed === undefined && document.file.fault !== null
        ? []
        : faultsOfForm(document),
    ),
  },
  {
    name: 'whole-numbers',
    severity: 'error',
    reason:
      'canonical JSON knows whole numbers only, and JavaScript loses digits of those above 2^53',
    clients: CLIENTS,
    find: inDocuments(oddNumbers),
  },
  {
    name: 'versions',
    severity: 'error',
    reason: 'versions are whole numbers from 1 to 2^53; tuf-js alone takes others',
    clients: ['tough', 'updog', 'python-tuf', 'go-tuf', 'tidegate'],
    find: (facts) => [
      ...facts.documents
        .filter(({ file, signed }) => file.signed !== undefined && !isVersion(signed['version']))
        .map(({ where, signed }) => ({ where, what: show(signed['version']) })),
      ...facts.metas
        .filter(({ raw }) => !isVersion(raw['version']))
        .map(({ where, name, raw }) => ({ where, what: `${name}: ${show(raw['version'])}` })),
    ],
  },
  {
    name: 'normal-text',
    severity: 'error',
    reason: 'tough normalises Unicode (NFC) before it verifies, so that signatures break',
    clients: ['tough', 'updog'],
    find: inDocuments(({ file }) =>
      [...textsIn(file.signed)]
        .filter((text) => !text.isWellFormed() || text !== text.normalize('NFC'))
        .map(show),
    ),
  },
  {
    name: 'key-order',
    severity: 'error',
    reason:
      'keys of objects above U+FFFF are sorted differently by JavaScript, so that signatures break',
    clients: ['tuf-js', 'tidegate'],
    find: inDocuments(({ file }) => [...objectKeysIn(file.signed)].filter(isAstral).map(show)),
  },
  {
    name: 'spec-version',
    severity: 'error',
    reason:
      'tuftool update and rust-tuf accept 1.0.0 only; python-tuf and tuf-js refuse any but 1.x',
    clients: ['tough', 'rust-tuf'],
    find: inDocuments(({ file, signed }) =>
      file.signed === undefined || signed['spec_version'] === SPEC_VERSION
        ? []
        : [show(signed['spec_version'])],
    ),
  },
  {
    name: 'whole-second-expiry',
    severity: 'error',
    reason: 'tough and python-tuf refuse fractions and offsets, or compute another signature',
    clients: ['tough', 'updog', 'python-tuf', 'go-tuf'],
    find: inDocuments(({ file, signed }) =>
      file.signed === undefined || isWholeSecond(signed['expires'])
        ? []
        : [show(signed['expires'])],
    ),
  },
  {
    name: 'consistent-snapshots',
    severity: 'error',
    reason: 'without versioned names a host can read a mixture of two publications',
    clients: CLIENTS,
    find: ({ roots }) =>
      roots
        .filter(({ signed }) => signed['consistent_snapshot'] === false)
        .map(({ where }) => ({ where, what: 'consistent_snapshot is false' })),
  },
  {
    name: 'four-roles',
    severity: 'error',
    reason: 'tough knows root, targets, snapshot and timestamp only: with mirrors it reads nothing',
    clients: ['tough', 'updog', 'tidegate'],
    find: ({ roots }) =>
      roots.flatMap(({ where, signed }) =>
        Object.keys(objectOf(signed['roles']))
          .filter((role) => !['root', 'targets', 'snapshot', 'timestamp'].includes(role))
          .map((what) => ({ where, what })),
      ),
  },
];

function inDocuments(find: (document: Document) => readonly string[]) {
  return ({ documents }: Facts): readonly Place[] =>
    documents.flatMap((document) =>
      find(document).map((what) => ({ where: document.where, what })),
    );
}

function isVersion(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

function isWholeSecond(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)) return false;
  const time = new Date(value);
  return !Number.isNaN(time.getTime()) && time.toISOString().replace('.000Z', 'Z') === value;
}

/** By their text: to JavaScript `1.0` and `1e3` are whole, to others they are not. Versions and thresholds have own checks. */
function oddNumbers({ file }: Document): readonly string[] {
  const { bytes, signed } = file;
  if (signed === undefined) return [];
  const source = bytes === null ? (JSON.stringify(signed) ?? '') : new TextDecoder().decode(bytes);
  const found: string[] = [];
  let property = '';
  visit(source, {
    onObjectProperty: (name) => {
      property = name;
    },
    onLiteralValue: (value: unknown, offset, length) => {
      if (typeof value !== 'number' || property === 'version' || property === 'threshold') return;
      const literal = source.slice(offset, offset + length);
      const isWhole = /^-?(?:0|[1-9]\d*)$/.test(literal) && Number.isSafeInteger(value);
      if (!isWhole) found.push(`${property}: ${literal}`);
    },
  });
  return found;
}

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (Array.isArray(value)) for (const child of value) yield* textsIn(child);
  else if (isObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      yield key;
      yield* textsIn(child);
    }
  }
}

function* objectKeysIn(value: unknown): Generator<string> {
  if (Array.isArray(value)) for (const child of value) yield* objectKeysIn(child);
  else if (isObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      yield key;
      yield* objectKeysIn(child);
    }
  }
}

function isAstral(text: string): boolean {
  return /[\u{10000}-\u{10FFFF}]/u.test(text);
}
