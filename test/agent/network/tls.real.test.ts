import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { readBody, send } from '../../../agent/http.ts';
import { Network } from '../../../agent/network/network.ts';
import type { NetworkSettings } from '../../../agent/network/settings.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { codeOf } from '../error-code.ts';
import { makeAuthority } from './authority.ts';
import type { Authority } from './authority.ts';
import { openProxy } from './proxy-server.ts';
import { PLAIN_NETWORK } from '../../../agent/network/settings.ts';

type TlsServer = AsyncDisposable & { readonly url: string };

/** Answers with the name in the certificate of whoever asks; lets nobody in without one if it trusts `clients`. */
async function openServer(
  { certificate, key }: ReturnType<Authority['issue']>,
  clients?: Authority,
): Promise<TlsServer> {
  const server = createServer(
    {
      ...{ cert: readFileSync(certificate), key: readFileSync(key) },
      ...(clients === undefined
        ? {}
        : { ca: readFileSync(clients.file), requestCert: true, rejectUnauthorized: true }),
    },
    ({ socket }, response) => {
      if (!(socket instanceof TLSSocket)) throw new Error('no TLS');
      const peer = socket.getPeerCertificate();
      // A connection of its own for every request.
      response.setHeader('connection', 'close');
      response.end(Object.hasOwn(peer, 'subject') ? peer.subject.CN : 'nobody');
    },
  );
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `https://127.0.0.1:${address.port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

async function setup() {
  const folder = await temporaryFolder();
  const path = (name: string) => join(folder.path, name);
  const system = makeAuthority(folder.path, 'system');
  const own = makeAuthority(folder.path, 'own');
  return {
    ...{ path, system, own },
    network: (settings: Partial<NetworkSettings>, env = {}) =>
      new Network({ ...PLAIN_NETWORK, ...settings }, { SSL_CERT_FILE: system.file, ...env }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function get(url: string, network: Network): Promise<string> {
  return (await readBody(await send(url, { network }), url, 100)).toString();
}

describe('TLS', () => {
  it('trusts the authorities of the system and, beside them, those of the configured file', async () => {
    await using world = await setup();
    await using known = await openServer(world.system.issue('known'));
    await using ours = await openServer(world.own.issue('ours'));
    const plain = world.network({});
    expect(await get(known.url, plain)).toBe('nobody');
    expect(await codeOf(get(ours.url, plain))).toBe('agent/unreachable');
    const both = world.network({ ca: world.own.file });
    expect(await get(known.url, both)).toBe('nobody');
    expect(await get(ours.url, both)).toBe('nobody');
  });

  it('refuses a certificate of another name', async () => {
    await using world = await setup();
    await using server = await openServer(world.own.issue('ours'));
    const url = server.url.replace('127.0.0.1', 'localhost');
    expect(await codeOf(get(url, world.network({ ca: world.own.file })))).toBe('agent/unreachable');
  });

  it('shows the certificate of the host, and the renewed one without a restart', async () => {
    await using world = await setup();
    await using server = await openServer(world.system.issue('server'), world.own);
    expect(await codeOf(get(server.url, world.network({})))).toBe('agent/unreachable');
    const first = world.own.issue('host-1');
    const files = { certificate: world.path('current.pem'), key: world.path('current.key') };
    copyFileSync(first.certificate, files.certificate);
    copyFileSync(first.key, files.key);
    const network = world.network(files);
    await network.check();
    expect(await get(server.url, network)).toBe('host-1');
    const renewed = world.own.issue('host-1-renewed');
    copyFileSync(renewed.certificate, files.certificate);
    copyFileSync(renewed.key, files.key);
    expect(await get(server.url, network)).toBe('host-1-renewed');
  });

  it('goes through a tunnel of a proxy that wants credentials, with all of that', async () => {
    await using world = await setup();
    await using proxy = await openProxy({ credentials: 'me:secret' });
    await using server = await openServer(world.own.issue('server'), world.own);
    const env = { HTTPS_PROXY: `http://me:secret@${proxy.host}` };
    const network = world.network({ ca: world.own.file, ...world.own.issue('host-1') }, env);
    expect(await get(server.url, network)).toBe('host-1');
    expect(proxy.asked).toEqual([`CONNECT ${new URL(server.url).host}`]);
  });

  it('does not take the word of a proxy for who the server is', async () => {
    await using world = await setup();
    await using proxy = await openProxy();
    await using server = await openServer(world.own.issue('server'));
    const network = world.network({ proxy: `http://${proxy.host}` });
    expect(await codeOf(get(server.url, network))).toBe('agent/unreachable');
    expect(proxy.asked).toHaveLength(1);
  });

  it.each([
    { case: 'authorities that are not there', names: 'none.pem', change: { ca: 'none.pem' } },
    { case: 'authorities that are no certificates', names: 'bad.pem', change: { ca: 'bad.pem' } },
    { case: 'a torn certificate', names: 'torn.pem', change: { ca: 'torn.pem' } },
    { case: 'a key of another certificate', names: 'network.key', change: { key: 'b.key' } },
    { case: 'a key that is none', names: 'network.key', change: { key: 'bad.pem' } },
    { case: 'a certificate that is not there', names: 'no.pem', change: { certificate: 'no.pem' } },
  ])('is not begun with $case', async ({ names, change }) => {
    await using world = await setup();
    const { certificate, key } = world.own.issue('a');
    world.own.issue('b');
    writeFileSync(world.path('bad.pem'), 'hello');
    const torn = readFileSync(certificate, 'utf8').replace(/\n.{20}/, '\n');
    writeFileSync(world.path('torn.pem'), torn);
    const wrong = Object.fromEntries(
      Object.entries(change).map(([name, file]) => [name, world.path(file)]),
    );
    const error = await world
      .network({ certificate, key, ...wrong })
      .check()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'agent/config' });
    expect(String(error)).toContain(names);
  });
});
