import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseWavePolicy, resolvePolicy } from '../../core/wave-file.ts';
import { START } from '../support/rollouts.ts';

describe('docs/rollouts.md', () => {
  it('shows a policy that is read as it says', async () => {
    const path = join(import.meta.dirname, '../../docs/rollouts.md');
    const text = await readFile(path, 'utf8');
    const [, toml = ''] = /```toml\n(.*?)```/s.exec(text) ?? [];
    expect(resolvePolicy(parseWavePolicy(toml), START)).toMatchObject({
      halt: { percentage: 5, minimum: 20, rollBackTo: '1.0.0' },
      outcomeWithinMs: 7_200_000,
      waves: [
        { percentage: 5, gate: null },
        {
          gate: {
            soakMs: 43_200_000,
            success: { percentage: 95, minimum: 20 },
            needsApproval: true,
          },
        },
        { percentage: 100, rampMs: 21_600_000 },
      ],
    });
  });
});
