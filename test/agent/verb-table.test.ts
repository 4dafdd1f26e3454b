import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { legalVerbs, VERBS } from '../../agent/legal-verbs.ts';
import type { Verb } from '../../agent/legal-verbs.ts';
import { IDLE } from '../../agent/machine-state.ts';
import type { AgentState, Mishap, Target } from '../../agent/machine-state.ts';

const target: Target = {
  ...{ id: '1', rolloutId: '1', from: '1.0.0', to: '1.1.0' },
  ...{ direction: 'forward', attempt: 1 },
};
const underWay = { target, failures: [], reboots: 0 };
const mishap: Mishap = { stage: 'health', code: 'agent/unhealthy', message: '' };
const fallen = {
  kind: 'fallen-back',
  ...underWay,
  ...{ mishap, outcome: null },
  ...{ sinceMs: 0, ordered: null, isStuck: false },
  calledOff: 'no',
} as const;

/** One state of each kind that has verbs of its own, as docs/agent.md names them. */
const STATES: Readonly<Record<string, AgentState>> = {
  '`idle`': IDLE,
  '`available`': { kind: 'available', ...underWay },
  '`staged`': { kind: 'staged', ...underWay },
  '`ready`': { kind: 'ready', ...underWay, bootId: '1', calledOff: 'no' },
  '`rebooting`': { kind: 'rebooting', ...underWay, bootId: '1', orderedAtMs: 0 },
  '`confirming`': { kind: 'confirming', ...underWay },
  '`fallen-back`': { ...fallen, isBack: true },
  '`fallen-back` on the way': { ...fallen, isBack: false },
};

/** The states that the table of verbs names for each of them. */
async function tableOfVerbs(): Promise<ReadonlyMap<string, readonly string[]>> {
  const text = await readFile(join(import.meta.dirname, '../../docs/agent.md'), 'utf8');
  const [, section = ''] = text.split('\n## Verbs\n');
  const rows = section.split('\n## ')[0]?.matchAll(/^\| `([a-z]+)` +\| ([^|]+?) +\|/gm) ?? [];
  const table = new Map<string, string[]>();
  for (const [, verb = '', states = ''] of rows) {
    table.set(verb, [...(table.get(verb) ?? []), ...states.split(', ')]);
  }
  return table;
}

describe('the table of verbs in docs/agent.md', () => {
  it('names the states in which each of them makes sense', async () => {
    const table = await tableOfVerbs();
    const isLegal = (verb: Verb) =>
      Object.keys(STATES).filter((name) => legalVerbs(STATES[name] ?? IDLE).includes(verb));
    for (const verb of VERBS) {
      expect([verb, table.get(verb)?.toSorted()]).toEqual([verb, isLegal(verb).toSorted()]);
    }
    expect([...table.keys()].toSorted()).toEqual(VERBS.toSorted());
  });
});
