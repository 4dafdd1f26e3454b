import { describe, expect, it } from '@jest/globals';
import { runModel } from './run.ts';

describe('a server that is killed, cut off and started again', () => {
  it('lets start whom the model lets start, and keeps all that it acknowledged', async () => {
    const { violation, steps, seen } = await runModel({
      ...{ steps: 1500, seed: 20_400_101, shortens: false },
    });
    // `npm run model -- --seed` with the same seed finds fewer steps that do it.
    expect(violation).toBeNull();
    expect(steps).toBeGreaterThanOrEqual(1500);
    // A run that met none of these would have proved nothing.
    expect(Object.keys(seen)).toEqual(
      expect.arrayContaining([
        ...['told forward', 'told rollback', 'told paused', 'told gate'],
        ...['told not-yet', 'told barrier', 'verb taken', 'verb refused', 'server halt', 'killed'],
      ]),
    );
  });
});
