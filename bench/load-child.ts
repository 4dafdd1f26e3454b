// The load generator: a process of its own that keeps some connections busy, each with one request at a time, and is told
// by its parent which hosts shall check in where. A client library would cost more than the server that it measures.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { benchHost, isOfKind } from './bench-fleet.ts';
import type { HostKind } from './bench-fleet.ts';
import type { LoadOrder, LoadResult } from './load.ts';

/** Steps of this prime visit the hosts in no order that a cache could like, and each once in a round. */
const STRIDE = 7_368_787;

const HEAD =
  'POST /api/v1/check-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';

type Source = { readonly next: () => string | null };

function sourceOf({ kind, hosts, work }: LoadOrder): Source {
  const chosen = indexesOf(kind, hosts);
  const endsAt = work.unit === 'ms' ? performance.now() + work.amount : Number.POSITIVE_INFINITY;
  let sent = 0;
  let at = Math.floor(Math.random() * chosen.length);
  return {
    next: () => {
      if (work.unit === 'requests' && sent >= work.amount) return null;
      if (performance.now() >= endsAt) return null;
      sent += 1;
      at = (at + STRIDE) % chosen.length;
      const body = bodyOf(chosen[at] ?? 0);
      return `${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`;
    },
  };
}

function bodyOf(index: number): string {
  return JSON.stringify({ host: benchHost(index), state: 'idle' });
}

const lists = new Map<string, Int32Array>();

function indexesOf(kind: HostKind, hosts: number): Int32Array {
  const key = `${kind} ${hosts}`;
  const known = lists.get(key);
  if (known !== undefined) return known;
  const indexes: number[] = [];
  for (let index = 0; index < hosts; index += 1) {
    if (isOfKind(index, kind)) indexes.push(index);
  }
  const list = Int32Array.from(indexes);
  lists.set(key, list);
  return list;
}

/** One connection until the source is empty. `done` gets the milliseconds of each request. */
function run(socket: Socket, source: Source, done: (ms: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = '';
    let sentAt = 0;
    const send = () => {
      const request = source.next();
      if (request === null) {
        socket.destroy();
        resolve();
        return;
      }
      sentAt = performance.now();
      socket.write(request, 'latin1');
    };
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('error', reject);
    socket.on('end', () => {
      reject(new Error(`the server closed the connection after: ${received}`));
    });
    socket.on('connect', send);
    socket.on('data', (text: string) => {
      received += text;
      if (!isWhole(received)) return;
      if (!received.startsWith('HTTP/1.1 200')) {
        reject(new Error(`not the answer to a check-in: ${received}`));
        return;
      }
      received = '';
      done(performance.now() - sentAt);
      send();
    });
  });
}

function isWhole(received: string): boolean {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /^content-length: (\d+)/im.exec(received)?.[1];
  return received.length === end + 4 + Number(length);
}

async function load(order: LoadOrder): Promise<LoadResult> {
  const times: number[] = [];
  const source = sourceOf(order);
  const cpu = process.cpuUsage();
  const started = performance.now();
  const connections = Array.from({ length: order.connections }, () =>
    run(connect({ host: '127.0.0.1', port: order.port }), source, (ms) => times.push(ms)),
  );
  await Promise.all(connections);
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  const sorted = Float64Array.from(times).toSorted();
  const quantile = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
  return {
    requests: sorted.length,
    ms,
    cpuMs: (user + system) / 1000,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  };
}

process.on('message', (order: LoadOrder) => {
  load(order).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.stdout.write('ready\n');
