import { uniformInt } from 'pure-rand/distribution/uniformInt';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/** Things that chance decides, each for itself: in how many ways each can end. The way 0 is that all stays as it was. */
export type Ways = readonly number[];
/** How each of them ended. */
export type Picks = readonly number[];

export function countOfPicks(ways: Ways): number {
  return ways.reduce((product, ways_) => product * ways_, 1);
}

export function* everyPick(ways: Ways): Generator<Picks> {
  const picks = ways.map(() => 0);
  for (;;) {
    yield [...picks];
    // Like a counter: the first place that can be raised is, and all before it begin anew.
    const at = picks.findIndex((pick, index) => pick + 1 < (ways[index] ?? 0));
    if (at === -1) return;
    picks.fill(0, 0, at);
    picks[at] = (picks[at] ?? 0) + 1;
  }
}

export function* randomPicks(
  ways: Ways,
  { count, random }: { readonly count: number; readonly random: RandomGenerator },
): Generator<Picks> {
  for (let done = 0; done < count; done += 1) {
    yield ways.map((last) => uniformInt(random, 0, last - 1));
  }
}
