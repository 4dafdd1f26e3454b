import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { changeLine, diffRules } from '../../../core/fleet/diff.ts';
import { FleetError } from '../../../core/fleet/errors.ts';
import { formatOf, parseFleetFile } from '../../../core/fleet/file.ts';
import { readRules } from '../../../core/fleet/read-rules.ts';
import { NO_RULES } from '../../../core/fleet/rules.ts';
import { isInRange, parseRange } from '../../../core/fleet/version-range.ts';
import { rulesToJson } from '../../../core/fleet/write-rules.ts';

const DOCUMENT = readFileSync(new URL('../../../docs/fleet-rules.md', import.meta.url), 'utf8');

function examples(): readonly { readonly format: 'toml' | 'yaml'; readonly text: string }[] {
  return [...DOCUMENT.matchAll(/^```(toml|yaml)\n([\s\S]*?)^```$/gm)].map(([, format, text]) => ({
    format: format === 'toml' ? 'toml' : 'yaml',
    text: text ?? '',
  }));
}

function codeOf(text: string, format: 'toml' | 'yaml' = 'toml'): string {
  try {
    parseFleetFile(text, format);
  } catch (error) {
    if (error instanceof FleetError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'read';
}

function keysIn(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(keysIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysIn(inner)]);
}

describe('parseFleetFile', () => {
  it('reads every example of the documentation, which shows every key', () => {
    const read = examples().map(({ format, text }) => rulesToJson(parseFleetFile(text, format)));
    expect(read).toHaveLength(4);
    expect(new Set(read.flatMap(keysIn))).toEqual(
      new Set([
        ...['groups', 'name', 'first', 'match', 'labels', 'hosts', 'group', 'versions', 'delay'],
        ...[
          'rollback',
          'windows',
          'days',
          'from',
          'to',
          'time_zone',
          'concurrency',
          'limit',
          'per',
        ],
        ...['freezes', 'reason', 'pins', 'excludes', 'dead_ends', 'db-1', 'db-2'],
      ]),
    );
  });

  it('reads the same rules from TOML, from YAML and from what the manifest keeps', () => {
    const toml =
      "groups = [{ name = 'prod', delay = '36 hours', concurrency = [{ limit = '7 %' }] }]\n[pins]\na = '1.0.0'";
    const yaml =
      "groups:\n- name: prod\n  delay: 36 hours\n  concurrency: [{limit: 7 %}]\npins: {a: '1.0.0'}";
    const rules = parseFleetFile(toml, 'toml');
    expect(parseFleetFile(yaml, 'yaml')).toEqual(rules);
    expect(readRules(JSON.parse(JSON.stringify(rulesToJson(rules))))).toEqual(rules);
  });

  it('reads no rules from an empty file', () => {
    expect(parseFleetFile('', 'toml')).toEqual(NO_RULES);
    expect(parseFleetFile('', 'yaml')).toEqual(NO_RULES);
  });

  const window = "[[groups]]\nname='a'\n[[groups.windows]]\n";
  it.each([
    {
      case: 'a file that is not TOML',
      text: 'groups = [',
      says: 'fleet/format fleet file is not TOML',
    },
    {
      case: 'an unknown key',
      text: 'group = []',
      says: 'fleet/unknown-key fleet: unknown key "group"',
    },
    {
      case: 'an unknown key deep inside',
      text: "[[groups]]\nname='a'\nmatch={label='x'}",
      says: 'fleet/unknown-key groups[0].match: unknown key "label"',
    },
    {
      case: 'a group without a name',
      text: '[[groups]]\nfirst=true',
      says: 'fleet/value groups[0].name:',
    },
    {
      case: 'two groups of one name',
      text: "[[groups]]\nname='a'\n[[groups]]\nname='a'",
      says: 'fleet/contradiction two groups have the name "a"',
    },
    {
      case: 'a match of nothing',
      text: "[[groups]]\nname='a'\nmatch={}",
      says: 'fleet/value groups[0].match:',
    },
    {
      case: 'a selector that does not end',
      text: "[[groups]]\nname='a'\nmatch={labels='zone in (a'}",
      says: 'fleet/value groups[0].match.labels: labels must be',
    },
    {
      case: 'a delay without a unit',
      text: "[[groups]]\nname='a'\ndelay='2'",
      says: 'fleet/value groups[0].delay: duration must be',
    },
    {
      case: 'a range that is none',
      text: "[[groups]]\nname='a'\nversions='new'",
      says: 'fleet/value groups[0].versions: must be a range',
    },
    {
      case: 'a limit of nobody',
      text: "[[groups]]\nname='a'\nconcurrency=[{limit=0}]",
      says: 'fleet/value groups[0].concurrency[0].limit:',
    },
    {
      case: 'a share of more than all',
      text: "[[groups]]\nname='a'\nconcurrency=[{limit='101 %'}]",
      says: 'fleet/value groups[0].concurrency[0].limit:',
    },
    {
      case: 'an hour that is none',
      text: `${window}days=['mon']\nfrom='24:00'\nto='01:00'\ntime_zone='UTC'`,
      says: 'fleet/value groups[0].windows[0].from: must be a time like \'22:00\', got "24:00"',
    },
    {
      case: 'a day that is none',
      text: `${window}days=['monday']\nfrom='22:00'\nto='01:00'\ntime_zone='UTC'`,
      says: 'fleet/value groups[0].windows[0].days[0]:',
    },
    {
      case: 'a time zone that nobody knows',
      text: `${window}days=['mon']\nfrom='22:00'\nto='01:00'\ntime_zone='Europe/Atlantis'`,
      says: 'fleet/value groups[0].windows[0].time_zone: must be a time zone',
    },
    {
      case: 'an offset in place of a zone',
      text: `${window}days=['mon']\nfrom='22:00'\nto='01:00'\ntime_zone='+01:00'`,
      says: 'fleet/value groups[0].windows[0].time_zone: must be a time zone',
    },
    {
      case: 'a freeze that ends before it begins',
      text: "[[freezes]]\nfrom=2026-02-01T00:00:00Z\nto=2026-01-01T00:00:00Z\nreason='x'",
      says: 'fleet/value freezes[0]: must end after it begins',
    },
    {
      case: 'a freeze without an offset',
      text: "[[freezes]]\nfrom=2026-02-01T00:00:00\nto=2026-03-01T00:00:00Z\nreason='x'",
      says: 'fleet/value freezes[0].from: must be an RFC 3339 time',
    },
    {
      case: 'a freeze of a group that is not there',
      text: "[[freezes]]\nfrom=2026-01-01T00:00:00Z\nto=2026-02-01T00:00:00Z\nreason='x'\ngroups=['b']",
      says: 'fleet/contradiction freezes[0]: no group has the name "b"',
    },
    {
      case: 'a pin to no version',
      text: "[pins]\na='latest'",
      says: 'fleet/value pins.a: must be a semantic version, got "latest"',
    },
    {
      case: 'a host that is pinned and excluded',
      text: "[pins]\na='1.0.0'\n[excludes]\na='x'",
      says: 'fleet/contradiction host "a" is pinned and excluded',
    },
    {
      case: 'an exclude without a reason',
      text: "[excludes]\na=''",
      says: 'fleet/value excludes.a:',
    },
  ])('refuses $case', ({ text, says }) => {
    expect(codeOf(text)).toContain(says);
  });

  it.each([
    {
      case: 'a file that is not YAML',
      text: 'groups: [',
      says: 'fleet/format fleet file is not YAML',
    },
    {
      case: 'a key that stands twice',
      text: 'pins: {}\npins: {}',
      says: 'fleet/format fleet file is not YAML',
    },
    {
      case: 'aliases that unfold without end',
      text: `a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd'].map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abc'[index]}`).join(',')}]`).join('\n')}`,
      says: 'fleet/format',
    },
    {
      case: 'a version that YAML takes for a number',
      text: 'pins: {a: 1.2}',
      says: 'fleet/value pins.a:',
    },
    { case: 'a list in place of a table', text: '- name: a', says: 'fleet/value fleet:' },
  ])('refuses $case in YAML', ({ text, says }) => {
    expect(codeOf(text, 'yaml')).toContain(says);
  });
});

describe('formatOf', () => {
  it.each([
    { name: 'fleet.toml', format: 'toml' },
    { name: 'a.b/fleet.YML', format: 'yaml' },
    { name: 'fleet.yaml', format: 'yaml' },
    { name: 'toml', format: null },
  ])('takes $name for $format', ({ name, format }) => {
    expect(formatOf(name)).toBe(format);
  });
});

describe('isInRange', () => {
  it.each([
    { version: '1.20.3', range: '~1.20', isIn: true },
    { version: '1.21.0', range: '~1.20', isIn: false },
    { version: '2.0.0-rc.1', range: '>=1.0.0', isIn: false },
    { version: '2.0.0-rc.1', range: '>=2.0.0-rc.0', isIn: true },
    { version: '2.0.0+build.7', range: '=2.0.0', isIn: true },
    { version: '18446744073709551615.0.0', range: '>=1.0.0', isIn: false },
  ])('says $isIn of $version in $range', ({ version, range, isIn }) => {
    expect(isInRange(version, parseRange(range))).toBe(isIn);
  });
});

describe('diffRules', () => {
  const rules = (text: string) => parseFleetFile(text, 'yaml');
  const lines = (before: string, after: string) =>
    diffRules(rules(before), rules(after)).map(changeLine);

  it('finds nothing between two spellings of one meaning', () => {
    expect(
      lines(
        'groups: [{name: a, delay: 48 hours, first: false}]',
        'groups: [{delay: 2 days, name: a}]',
      ),
    ).toEqual([]);
  });

  it('names what comes, goes and changes', () => {
    const before =
      'groups: [{name: a, delay: 1 day}, {name: b}]\npins: {h: 1.0.0}\nexcludes: {x: broken}';
    const after =
      "groups: [{name: a, delay: 2 days, versions: ~1}, {name: c, first: true}]\npins: {h: 1.0.1}\nfreezes: [{from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', reason: r}]";
    expect(lines(before, after)).toEqual([
      '~ group a: delay: "1 day" -> "2 days"',
      '+ group a: versions: "~1"',
      '- group b: {"name":"b"}',
      '+ group c: {"name":"c","first":true}',
      '+ freezes: {"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","reason":"r"}',
      '~ pins: h: "1.0.0" -> "1.0.1"',
      '- excludes: x: "broken"',
    ]);
  });

  it('tells when only the order of groups changes, since the first that matches wins', () => {
    expect(lines('groups: [{name: a}, {name: b}]', 'groups: [{name: b}, {name: a}]')).toEqual([
      '~ order of groups: a, b -> b, a',
    ]);
  });
});
