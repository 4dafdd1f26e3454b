import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';

/** A static web server over a storage, on loopback, as hosts meet one: 404 for what is not there. */
export async function serveStorage(
  storage: Storage,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    void answer(storage, new URL(request.url ?? '/', 'http://host').pathname.slice(1), response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(storage: Storage, name: string, response: ServerResponse): Promise<void> {
  try {
    const { body, size, etag } = await storage.get(name);
    response.setHeader('content-length', size);
    response.setHeader('etag', JSON.stringify(etag));
    for await (const chunk of body) response.write(chunk);
  } catch (error) {
    const isMissing =
      error instanceof StorageError && ['storage/not-there', 'storage/name'].includes(error.code);
    response.statusCode = isMissing ? 404 : 500;
  }
  response.end();
}
