import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EventLog } from '../../server/event-log.ts';
import type { ServerEvent } from '../../server/event-log.ts';

const commit = (timestamp: number) => ({ timestamp, snapshot: 1 });

function clientOf(log: EventLog, lastId: string | null = null) {
  const got: ServerEvent[] = [];
  let isEnded = false;
  const client = {
    send: (event: ServerEvent) => got.push(event),
    end: () => {
      isEnded = true;
    },
  };
  const { missed, leave } = log.follow(client, lastId);
  got.push(...missed);
  return { got, leave, isEnded: () => isEnded };
}

describe('EventLog', () => {
  it('gives a new client what happens from then on, until it leaves', () => {
    const log = new EventLog({ epoch: 'e' });
    log.publish('commit', commit(1));
    const { got, leave } = clientOf(log);
    log.publish('commit', commit(2));
    leave();
    log.publish('commit', commit(3));
    expect(got).toEqual([{ id: 'e-2', name: 'commit', data: commit(2) }]);
  });

  it('loses and repeats nothing, whenever a client goes and comes back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('event', 'go', 'come'), { maxLength: 60 }),
        fc.integer({ min: 1, max: 12 }),
        (steps, kept) => {
          const log = new EventLog({ epoch: 'e', kept });
          let client = clientOf(log);
          let isThere = true;
          let last = 'e-0';
          let seen = 0;
          let published = 0;
          const take = () => {
            for (const { id, name, data } of client.got.splice(0)) {
              last = id;
              if (name === 'reset') {
                // Only who was away for longer than the log is long is told to begin anew.
                expect(published - seen).toBeGreaterThan(kept);
                seen = published;
              } else {
                seen += 1;
                expect(data).toEqual(commit(seen));
              }
            }
          };
          for (const step of steps) {
            if (step === 'event') log.publish('commit', commit((published += 1)));
            if (step === 'go' && isThere) {
              client.leave();
              take();
              isThere = false;
            }
            if (step === 'come' && !isThere) {
              client = clientOf(log, last);
              isThere = true;
            }
            if (isThere) take();
          }
          if (isThere) expect(seen).toBe(published);
        },
      ),
      { seed: 3, numRuns: 500 },
    );
  });

  it.each(['other-1', 'e-99', 'e', '', 'e--1', 'e-1e3', '-0'])(
    'resets a client that comes with the strange id %j',
    (lastId) => {
      const log = new EventLog({ epoch: 'e' });
      log.publish('commit', commit(1));
      expect(clientOf(log, lastId).got).toEqual([{ id: 'e-1', name: 'reset', data: {} }]);
    },
  );

  it('takes no more clients than it may, and one more when one left', () => {
    const log = new EventLog({ epoch: 'e', mostClients: 2 });
    const first = clientOf(log);
    clientOf(log);
    const refused = () => clientOf(log);
    expect(refused).toThrow(expect.objectContaining({ code: 'request/events' }));
    first.leave();
    expect(refused).not.toThrow();
  });

  it('ends every client when it is closed, and takes no new one', () => {
    const log = new EventLog({ epoch: 'e' });
    const client = clientOf(log);
    log.close();
    expect(client.isEnded()).toBe(true);
    expect(() => clientOf(log)).toThrow(expect.objectContaining({ code: 'request/events' }));
  });
});
