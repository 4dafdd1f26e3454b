import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { problemSchema } from '../../core/operator-api.ts';
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

describe('what is no request that can be read', () => {
  it.each([
    { case: 'another protocol', text: 'hello\r\n\r\n', status: 400, code: 'request/invalid' },
    {
      case: 'a header without end',
      text: `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      status: 431,
      code: 'request/header-too-large',
    },
    {
      case: 'two lengths of one body',
      text: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      status: 400,
      code: 'request/invalid',
    },
  ])(
    'is answered with a problem and a closed connection: $case',
    async ({ text, status, code }) => {
      const listening = await listen((_request, response) => response.end(), {
        host: '127.0.0.1',
        port: 0,
      });
      const socket = connect(Number(new URL(listening.url).port), '127.0.0.1');
      socket.write(text);
      const answer = await textOf(socket);
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(head).toContain('Content-Type: application/problem+json');
      expect(problemSchema.parse(JSON.parse(body))).toMatchObject({ status, code });
      await drain(listening, 1000);
    },
  );
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
