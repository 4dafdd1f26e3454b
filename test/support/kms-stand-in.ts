import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

export type KmsRequest = { readonly action: string; readonly region: string };

/** What the stand-in does instead of answering: an exception of KMS by name, its HTTP status, or silence. */
export type KmsFault = { readonly exception: string; readonly status: number } | 'silence';

/**
 * AWS KMS as far as signing goes: its wire protocol, signed requests, and keys named `rsa`, `p256`, `p384`, `secp256k1`,
 * `encrypts` and `symmetric`, by id or ARN.
 */
export type KmsStandIn = AsyncDisposable & {
  /** Points the AWS SDK at the stand-in. */
  readonly env: Readonly<Record<string, string>>;
  readonly requests: readonly KmsRequest[];
  /** These faults meet the next requests for an action, one each. */
  fail(action: string, ...faults: readonly KmsFault[]): void;
};

type Kind = { readonly spec: string; readonly usage: string; readonly pair: Pair };
type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
type Answer = { readonly status: number; readonly body: object };

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const KEYS: Readonly<Record<string, Kind>> = {
  rsa: { spec: 'RSA_2048', usage: 'SIGN_VERIFY', pair: RSA },
  encrypts: { spec: 'RSA_2048', usage: 'ENCRYPT_DECRYPT', pair: RSA },
  p256: ec('ECC_NIST_P256', 'P-256'),
  p384: ec('ECC_NIST_P384', 'P-384'),
  secp256k1: ec('ECC_SECG_P256K1', 'secp256k1'),
};
const ALGORITHMS: Readonly<Record<string, string>> = {
  rsa: 'RSASSA_PSS_SHA_256',
  p256: 'ECDSA_SHA_256',
};
const PSS = ['-pkeyopt', 'rsa_padding_mode:pss', '-pkeyopt', 'rsa_pss_saltlen:digest'];
const SCOPE = /Credential=test\/\d{8}\/([a-z0-9-]+)\/kms\/aws4_request, .*Signature=[0-9a-f]{64}$/;
const asked = z.object({
  KeyId: z.string(),
  Message: z.string().optional(),
  MessageType: z.string().optional(),
  SigningAlgorithm: z.string().optional(),
});

/** On loopback, until it is disposed. */
export async function startKmsStandIn(): Promise<KmsStandIn> {
  const requests: KmsRequest[] = [];
  const faults = new Map<string, KmsFault[]>();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await Array.fromAsync(request, (chunk) => Buffer.from(chunk)));
    const action = String(request.headers['x-amz-target']).replace(/^TrentService\./, '');
    const [, region] = SCOPE.exec(request.headers.authorization ?? '') ?? [];
    requests.push({ action, region: region ?? 'unsigned' });
    const fault = faults.get(action)?.shift();
    if (fault === 'silence') return;
    const answer = fault === undefined ? answerTo(action, region, body.toString()) : failed(fault);
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(answer.body));
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return {
    env: {
      AWS_ENDPOINT_URL_KMS: `http://127.0.0.1:${port}`,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'secret',
    },
    requests,
    fail: (action, ...more) => {
      faults.set(action, [...(faults.get(action) ?? []), ...more]);
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answerTo(action: string, region: string | undefined, body: string): Answer {
  if (region === undefined) return refused('IncompleteSignature');
  const { KeyId, Message = '', MessageType, SigningAlgorithm } = asked.parse(JSON.parse(body));
  const [, , , ofArn = region] = KeyId.split(':');
  const name = KeyId.split('/').at(-1) ?? '';
  // KMS knows a symmetric key by its name, but has no public half to give.
  if (name === 'symmetric') return refused('UnsupportedOperationException');
  const key = KEYS[name];
  if (key === undefined || ofArn !== region) return refused('NotFoundException');
  if (action === 'GetPublicKey') {
    const PublicKey = key.pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    return { status: 200, body: { KeySpec: key.spec, KeyUsage: key.usage, PublicKey } };
  }
  const digest = Buffer.from(Message, 'base64');
  const isDigest = MessageType === 'DIGEST' && digest.length === 32;
  if (action !== 'Sign' || !isDigest || SigningAlgorithm !== ALGORITHMS[name]) {
    return refused('ValidationException');
  }
  const Signature = signDigest(key.pair.privateKey, digest).toString('base64');
  return { status: 200, body: { Signature } };
}

/** By OpenSSL, since Node cannot sign a digest that was made elsewhere. */
function signDigest(privateKey: KeyObject, digest: Buffer): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-kms-'));
  try {
    const file = join(folder, 'key.pem');
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const options = privateKey.asymmetricKeyType === 'rsa' ? PSS : [];
    const command = ['pkeyutl', '-sign', '-inkey', file, '-pkeyopt', 'digest:sha256', ...options];
    return execFileSync('openssl', command, { input: digest });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function failed({ exception, status }: Exclude<KmsFault, 'silence'>): Answer {
  return { status, body: { __type: exception, message: 'told by KMS' } };
}

function refused(exception: string): Answer {
  return failed({ exception, status: 400 });
}

function ec(spec: string, namedCurve: string): Kind {
  return { spec, usage: 'SIGN_VERIFY', pair: generateKeyPairSync('ec', { namedCurve }) };
}
