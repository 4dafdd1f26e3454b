import { describe, expect, it } from '@jest/globals';
import { readBody, send } from '../../../agent/http.ts';
import { Network } from '../../../agent/network/network.ts';
import { proxyChoice } from '../../../agent/network/proxy.ts';
import { codeOf } from '../error-code.ts';
import { serve } from '../loopback-server.ts';
import { openProxy } from './proxy-server.ts';
import { PLAIN_NETWORK } from '../../../agent/network/settings.ts';

const PROXY = 'http://proxy.example:3128';

describe('proxyChoice', () => {
  it.each([
    { env: {}, url: 'https://a.example/', through: null },
    { env: { HTTPS_PROXY: PROXY }, url: 'https://a.example/', through: PROXY },
    { env: { HTTPS_PROXY: PROXY }, url: 'http://a.example/', through: null },
    { env: { HTTP_PROXY: PROXY }, url: 'http://a.example/', through: PROXY },
    { env: { http_proxy: PROXY, HTTP_PROXY: 'http://other' }, url: 'http://a/', through: PROXY },
    { env: { http_proxy: '', HTTP_PROXY: PROXY }, url: 'http://a/', through: null },
  ])('of $env for $url is $through', ({ env, url, through }) => {
    expect(proxyChoice(PLAIN_NETWORK, env)(new URL(url))).toBe(through);
  });

  it('takes the setting for everything, whatever the environment says', () => {
    const choose = proxyChoice({ ...PLAIN_NETWORK, proxy: PROXY }, { HTTPS_PROXY: 'http://other' });
    expect(['https://a/', 'http://a/'].map((url) => choose(new URL(url)))).toEqual([PROXY, PROXY]);
  });

  it.each([
    ...[
      { entry: '*', url: 'http://a.example/' },
      { entry: 'example', url: 'http://a.example/' },
      { entry: 'A.Example', url: 'http://a.example./' },
      { entry: '.example', url: 'http://example/' },
      { entry: '*.example', url: 'https://b.a.example/' },
      { entry: 'a.example:8080', url: 'http://a.example:8080/' },
      { entry: 'a.example:443', url: 'https://a.example/' },
      { entry: '127.0.0.1', url: 'http://127.0.0.1:99/' },
      { entry: '10.0.0.0/8', url: 'http://10.255.0.1/' },
      { entry: '::1', url: 'http://[::1]/' },
      { entry: '[::1]:80', url: 'http://[::1]/' },
      { entry: 'fd00::/8', url: 'http://[fd12::1]/' },
    ].map((row) => ({ ...row, isDirect: true })),
    ...[
      { entry: 'example', url: 'http://anexample/' },
      { entry: 'a.example', url: 'http://example/' },
      { entry: 'a.example:8080', url: 'http://a.example/' },
      { entry: '127.0.0.1:80', url: 'http://127.0.0.1:99/' },
      { entry: '10.0.0.0/8', url: 'http://11.0.0.1/' },
      { entry: '10.0.0.0/8', url: 'http://10.example/' },
      { entry: '', url: 'http://a.example/' },
    ].map((row) => ({ ...row, isDirect: false })),
  ])('with NO_PROXY $entry reaches $url directly: $isDirect', ({ entry, url, isDirect }) => {
    const env = { HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY };
    for (const list of [entry, `other.host, ${entry}`]) {
      const choose = proxyChoice(PLAIN_NETWORK, { ...env, NO_PROXY: list });
      expect(choose(new URL(url))).toBe(isDirect ? null : PROXY);
    }
  });

  it.each([
    { env: { HTTPS_PROXY: 'socks5://me:secret@proxy.example' }, names: 'HTTPS_PROXY' },
    { env: { HTTP_PROXY: 'proxy.example:3128' }, names: 'HTTP_PROXY' },
    { env: { HTTP_PROXY: '//secret' }, names: 'HTTP_PROXY' },
    { env: { NO_PROXY: '10.0.0.0/33' }, names: '10.0.0.0/33' },
    { env: { NO_PROXY: 'a b/c' }, names: 'b/c' },
    { env: { NO_PROXY: 'fd00::/129' }, names: 'NO_PROXY' },
    { env: { NO_PROXY: 'http:' }, names: 'NO_PROXY' },
  ])('refuses $env, naming what is wrong and no password', ({ env, names }) => {
    const choose = () => proxyChoice(PLAIN_NETWORK, env);
    expect(choose).toThrow(names);
    expect(choose).not.toThrow('secret');
    expect(choose).toThrow(expect.objectContaining({ code: 'agent/config' }));
  });
});

describe('a request through a proxy', () => {
  it('reaches a server over http, with the credentials of the proxy kept from the server', async () => {
    await using proxy = await openProxy({ credentials: 'me:pass word' });
    await using server = await serve((request, response) => {
      response.end(request.url);
    });
    const url = `${server.url}a?b`;
    const network = new Network(PLAIN_NETWORK, {
      HTTP_PROXY: `http://me:pass%20word@${proxy.host}`,
    });
    const response = await send(url, { network });
    expect((await readBody(response, url, 10)).toString()).toBe('/a?b');
    expect(proxy.asked).toEqual([`GET ${url}`]);
    expect(server.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  it('posts, and goes round the proxy where NO_PROXY says so', async () => {
    await using proxy = await openProxy();
    await using server = await serve((request, response) => {
      request.pipe(response);
    });
    const env = { http_proxy: `http://${proxy.host}` };
    const post = { method: 'POST', body: '{"a":1}' } as const;
    const through = await send(server.url, { ...post, network: new Network(PLAIN_NETWORK, env) });
    expect((await readBody(through, server.url, 10)).toString()).toBe('{"a":1}');
    const around = new Network(PLAIN_NETWORK, { ...env, no_proxy: '127.0.0.0/8' });
    (await send(server.url, { ...post, network: around })).close();
    expect([proxy.asked.length, server.requests.length]).toEqual([1, 2]);
  });

  it('is not sent past a proxy that is not there', async () => {
    await using server = await serve((_request, response) => {
      response.end();
    });
    const { host } = await openProxy().then(async (proxy) => {
      await proxy[Symbol.asyncDispose]();
      return proxy;
    });
    const network = new Network(PLAIN_NETWORK, { HTTP_PROXY: `http://${host}` });
    expect(await codeOf(send(server.url, { network }))).toBe('agent/unreachable');
    expect(server.requests).toHaveLength(0);
  });

  it.each(['http', 'https'])(
    'over %s fails with one clear error when the credentials are wrong',
    async (scheme) => {
      await using proxy = await openProxy({ credentials: 'me:right' });
      const url = `${scheme}://127.0.0.1:9/`;
      const proxyUrl = `http://me:wrong@${proxy.host}`;
      const network = new Network({ ...PLAIN_NETWORK, proxy: proxyUrl }, {});
      const error = await send(url, { network }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'agent/answer' });
      expect(String(error)).toMatch(/proxy.*407/);
      expect(String(error)).not.toContain('wrong');
    },
  );

  it.each(['http', 'https'])('over %s gives up a proxy that never answers', async (scheme) => {
    await using proxy = await openProxy({ isSilent: true });
    const network = new Network({ ...PLAIN_NETWORK, proxy: `http://${proxy.host}` }, {});
    const started = send(`${scheme}://127.0.0.1:9/`, { network, stallMs: 50 });
    expect(await codeOf(started)).toBe('agent/unreachable');
    expect(proxy.asked).toHaveLength(1);
  });
});
