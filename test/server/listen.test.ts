import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { drain, listen } from '../../server/listen.ts';

describe('listen', () => {
  it('takes any free port for port 0, and says which', async () => {
    const listening = await listen((_request, response) => response.end('hello'), {
      host: '127.0.0.1',
      port: 0,
    });
    expect(await (await fetch(listening.url)).text()).toBe('hello');
    await drain(listening, 1000);
  });

  it('writes an IPv6 address as URLs have it', async () => {
    const listening = await listen(() => {}, { host: '::1', port: 0 });
    expect(listening.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    await drain(listening, 1000);
  });

  it('refuses an address that is not of this machine', async () => {
    await expect(listen(() => {}, { host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
      code: 'server/address',
    });
  });
});

describe('drain', () => {
  it('cuts off a request that does not come to an end', async () => {
    const listening = await listen((_request, response) => response.write('some'), {
      host: '127.0.0.1',
      port: 0,
    });
    const client = request(listening.url);
    client.end();
    const [response] = await once(client, 'response');
    const broken = once(response, 'error');
    await drain(listening, 10);
    expect(await broken).toMatchObject([{ code: 'ECONNRESET' }]);
    expect(response.complete).toBe(false);
  });
});
