import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as sendRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

export type S3Request = {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
};

export type S3Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Breaks the connection off after these bytes, whatever length the headers promise. */
  readonly cutOff?: boolean;
};

/** Answers a request, as a rule by forwarding it; `reset` breaks the connection off without an answer. */
export type S3Behaviour = (
  request: S3Request,
  forward: (headers?: IncomingHttpHeaders) => Promise<S3Answer>,
) => Promise<S3Answer | 'reset'>;

export type S3Proxy = AsyncDisposable & { readonly endpoint: string };

export type Credentials = Readonly<Record<'AWS_ACCESS_KEY_ID' | 'AWS_SECRET_ACCESS_KEY', string>>;

/** A proxy on loopback in front of a real S3 server that behaves as another store, or as a bad network. */
export async function startS3Proxy(target: string, behaviour: S3Behaviour): Promise<S3Proxy> {
  const server = createServer((incoming, response) => {
    answer(incoming, response).catch(() => response.destroy());
  });

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request: S3Request = {
      method: incoming.method ?? '',
      url: new URL(incoming.url ?? '/', target),
      headers: incoming.headers,
      body: await bodyOf(incoming),
    };
    const result = await behaviour(request, (headers = request.headers) =>
      send({ ...request, headers }),
    );
    if (result === 'reset') {
      response.destroy();
      return;
    }
    response.writeHead(result.status, result.headers);
    if (result.cutOff === true) response.write(result.body, () => response.destroy());
    else response.end(result.body);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** As Ceph radosgw 16: an If-Match in quotes never matches. */
export function startCephProxy(target: string): Promise<S3Proxy> {
  return startS3Proxy(target, async ({ method, headers }, forward) =>
    method === 'PUT' && headers['if-match']?.startsWith('"') === true
      ? errorAnswer(412, 'PreconditionFailed')
      : forward(),
  );
}

/**
 * As Garage 2.5: accepts conditional writes and ignores their conditions. `dropped` narrows which, to stand for stores
 * that honour some conditions only.
 */
export function startGarageProxy(
  target: string,
  credentials: Credentials,
  dropped: (request: S3Request) => boolean = () => true,
): Promise<S3Proxy> {
  return startS3Proxy(target, async (request, forward) => {
    const isConditional = 'if-match' in request.headers || 'if-none-match' in request.headers;
    if (!isConditional || request.method === 'GET' || !dropped(request)) return forward();
    return forward(withoutConditions(request, credentials));
  });
}

/**
 * As a store, or a cache before it, that checks a condition before it writes and not while it writes: who comes at the same time
 * is let in too.
 */
export function startCheckingFirstProxy(
  target: string,
  credentials: Credentials,
): Promise<S3Proxy> {
  const there = new Set<string>();
  return startS3Proxy(target, async (request, forward) => {
    const { method, url, headers } = request;
    if (method !== 'PUT' || !('if-none-match' in headers)) return forward();
    if (there.has(url.pathname)) return errorAnswer(412, 'PreconditionFailed');
    const answer = await forward(withoutConditions(request, credentials));
    there.add(url.pathname);
    return answer;
  });
}

/** The headers as a client would send them that has no conditions: they are part of what it signed, so it is signed anew. */
function withoutConditions(request: S3Request, credentials: Credentials): IncomingHttpHeaders {
  const { 'if-match': _, 'if-none-match': __, authorization: ___, ...headers } = request.headers;
  return { ...headers, authorization: signature({ ...request, headers }, credentials) };
}

export function errorAnswer(status: number, code: string): S3Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>proxy</Message></Error>`;
  return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(body) };
}

async function send(request: S3Request): Promise<S3Answer> {
  const outgoing = sendRequest(request.url, { method: request.method, headers: request.headers });
  outgoing.end(request.body);
  const [response]: IncomingMessage[] = await once(outgoing, 'response');
  if (response === undefined) throw new Error('no response');
  const { connection: _, 'transfer-encoding': __, ...headers } = response.headers;
  return { status: response.statusCode ?? 0, headers, body: await bodyOf(response) };
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
function signature({ method, url, headers }: S3Request, credentials: Credentials): string {
  const region = 'us-east-1';
  const names = Object.keys(headers)
    .filter((name) => name === 'host' || name.startsWith('x-amz-'))
    .toSorted();
  const query = [...url.searchParams]
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .toSorted();
  const canonical = [
    method,
    url.pathname,
    query.join('&'),
    ...names.map((name) => `${name}:${String(headers[name])}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'],
  ].join('\n');
  const time = String(headers['x-amz-date']);
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const hashed = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', time, scope, hashed].join('\n');
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${credentials.AWS_SECRET_ACCESS_KEY}`,
  );
  const signed = createHmac('sha256', key).update(text).digest('hex');
  return (
    `AWS4-HMAC-SHA256 Credential=${credentials.AWS_ACCESS_KEY_ID}/${scope}, ` +
    `SignedHeaders=${names.join(';')}, Signature=${signed}`
  );
}
