import { describe, expect, it } from '@jest/globals';
import { hostPageSchema } from '../../core/host-view.ts';
import { PLATFORM, reportOf, setup } from './setup.ts';

const HOSTS = '/api/v1/hosts';

/** Ten hosts h0 to h9: even ones in zone a, h9 staged, h3 with a failure in the rollout r1. */
async function fleetOfTen() {
  const server = await setup();
  for (let index = 0; index < 10; index += 1) {
    const labels = { zone: index % 2 === 0 ? 'a' : 'b' };
    await server.checkIn(
      { id: `h${index}`, group: index < 5 ? 'prod' : 'test', labels },
      {
        state: index === 9 ? 'staged' : 'idle',
        ...(index === 3 ? { reports: [reportOf({ rolloutId: 'r1' })] } : {}),
      },
    );
  }
  const ids = async (query: string) => {
    const { body } = await server.get(`${HOSTS}?${query}`).expect(200);
    return hostPageSchema
      .parse(body)
      .hosts.map(({ id }) => id)
      .join(' ');
  };
  return { ...server, ids };
}

describe('GET /api/v1/hosts', () => {
  it('finds hosts by every filter, alone and together', async () => {
    await using server = await fleetOfTen();
    const { ids } = server;
    expect(await ids('')).toBe('h0 h1 h2 h3 h4 h5 h6 h7 h8 h9');
    expect(await ids(`variant=${PLATFORM.variant}&arch=aarch64`)).toBe('');
    expect(await ids('version=1.0.0&group=prod')).toBe('h0 h1 h2 h3 h4');
    expect(await ids('state=staged')).toBe('h9');
    expect(await ids('label=zone%3Da&group=test')).toBe('h6 h8');
    expect(await ids('label=zone%3Da&label=rack%3D1')).toBe('');
    expect(await ids('rolloutId=r1')).toBe('h3');
    expect(await ids('rolloutId=r1&progress=failed')).toBe('h3');
    expect(await ids('rolloutId=r1&progress=updated')).toBe('');
    expect(await ids('idPrefix=h7')).toBe('h7');
  });

  it('shows a host as the route of one host does', async () => {
    await using server = await fleetOfTen();
    const { body } = await server.get(`${HOSTS}?idPrefix=h4`);
    expect(body.hosts).toEqual([(await server.get(`${HOSTS}/h4`)).body.host]);
  });

  it('leads from page to page, each host once, though hosts come and go', async () => {
    await using server = await fleetOfTen();
    const first = await server.get(`${HOSTS}?limit=4&group=prod`);
    expect(first.body.hosts).toHaveLength(4);
    await server.checkIn({ id: 'h10', group: 'prod' });
    await server.checkIn({ id: 'h99', group: 'prod' });
    const rest = await server.get(`${HOSTS}?limit=4&group=prod&cursor=${first.body.next}`);
    expect(rest.body.hosts.map(({ id }: { id: string }) => id)).toEqual(['h4', 'h99']);
    expect(rest.body.next).toBeNull();
  });

  it.each([
    { case: 'an unknown filter', query: 'colour=red', code: 'request/invalid' },
    { case: 'a filter twice', query: 'group=a&group=b', code: 'request/invalid' },
    { case: 'a label without a value', query: 'label=zone', code: 'request/invalid' },
    { case: 'two values of one label', query: 'label=z=a&label=z=b', code: 'request/invalid' },
    { case: 'a standing that is none', query: 'rolloutId=r1&progress=x', code: 'request/invalid' },
    { case: 'a standing in no rollout', query: 'progress=failed', code: 'request/invalid' },
    { case: 'a page of nothing', query: 'limit=0', code: 'request/invalid' },
    { case: 'a page of too much', query: 'limit=1001', code: 'request/invalid' },
    { case: 'a cursor of its own making', query: 'cursor=abc', code: 'request/cursor' },
  ])('refuses $case', async ({ query, code }) => {
    await using server = await setup();
    const { status, body } = await server.get(`${HOSTS}?${query}`);
    expect([status, body.code]).toEqual([400, code]);
  });

  it('refuses the cursor of another search', async () => {
    await using server = await fleetOfTen();
    const { body } = await server.get(`${HOSTS}?limit=2&group=prod`);
    const answer = await server.get(`${HOSTS}?limit=2&group=test&cursor=${body.next}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'request/cursor']);
  });

  it('says 503 while the database is away', async () => {
    await using server = await setup();
    server.outages.state.isAway = true;
    const { status, body, headers } = await server.get(HOSTS);
    expect([status, body.code]).toEqual([503, 'state/unavailable']);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('GET /api/v1/hosts as CSV', () => {
  it.each([
    { case: 'the format', query: '?format=csv', accept: 'application/json' },
    { case: 'the Accept header', query: '', accept: 'text/csv' },
  ])('is asked for by $case', async ({ query, accept }) => {
    await using server = await setup();
    await server.checkIn({ id: 'h1', group: 'prod', labels: { zone: 'a' } });
    const { headers, text } = await server.get(`${HOSTS}${query}`).set('accept', accept);
    expect(headers['content-type']).toMatch(/^text\/csv/);
    expect(text).toBe(
      'id,variant,arch,version,seed,group,labels,state,firstSeen,lastSeen\n' +
        'h1,aws-k8s-1.32,x86_64,1.0.0,7,prod,"{""zone"":""a""}",idle,' +
        '2040-01-01T00:00:00.500Z,2040-01-01T00:00:00.500Z\n',
    );
  });

  it('holds more hosts than a page, each once, and obeys the filter', async () => {
    await using server = await setup();
    await server.state.touchHosts(
      Array.from({ length: 1700 }, (_, index) => ({
        id: `n${String(index).padStart(4, '0')}`,
        ...PLATFORM,
        version: '1.0.0',
        seed: 1,
        group: null,
        labels: {},
        state: 'idle',
        seenAt: server.clock.now,
      })),
    );
    const { text } = await server.get(`${HOSTS}?format=csv&idPrefix=n&limit=10`);
    const ids = text
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')[0]);
    expect([ids.length, new Set(ids).size]).toEqual([1700, 1700]);
  });

  it('never lets a host put a formula into a spreadsheet', async () => {
    await using server = await setup();
    const names = ['=cmd|calc', '+1', '-1', '@SUM(A1)', 'a,"b"'];
    for (const id of names) await server.checkIn({ id, group: id });
    const { text } = await server.get(`${HOSTS}?format=csv`);
    const cells = text.split('\n').slice(1, -1);
    expect(cells.map((line) => line.slice(0, line.indexOf(',aws')))).toEqual([
      "'+1",
      "'-1",
      "'=cmd|calc",
      "'@SUM(A1)",
      '"a,""b"""',
    ]);
  });
});
