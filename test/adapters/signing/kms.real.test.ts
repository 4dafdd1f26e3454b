import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { openSigner } from '../../../adapters/signing/open.ts';
import { signerContract } from './signer-contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-kms-'));
const KEYS = {
  rsa: { spec: 'RSA_2048', pair: generateKeyPairSync('rsa', { modulusLength: 2048 }) },
  p256: { spec: 'ECC_NIST_P256', pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  p384: { spec: 'ECC_NIST_P384', pair: generateKeyPairSync('ec', { namedCurve: 'P-384' }) },
};
const PSS = ['-pkeyopt', 'rsa_padding_mode:pss', '-pkeyopt', 'rsa_pss_saltlen:digest'];
const asked = z.object({
  KeyId: z.string(),
  Message: z.string().optional(),
  MessageType: z.string().optional(),
  SigningAlgorithm: z.string().optional(),
});
const ALGORITHMS: Readonly<Record<string, string>> = {
  rsa: 'RSASSA_PSS_SHA_256',
  p256: 'ECDSA_SHA_256',
};
const SCOPE = /Credential=test\/\d{8}\/eu-west-1\/kms\/aws4_request, .*Signature=[0-9a-f]{64}$/;

function answer(action: string, body: string): object {
  const { KeyId, Message = '', MessageType, SigningAlgorithm } = asked.parse(JSON.parse(body));
  const [name, key] = Object.entries(KEYS).find(([known]) => known === KeyId) ?? [];
  if (name === undefined || key === undefined) return { __type: KeyId };
  if (action === 'TrentService.GetPublicKey') {
    const PublicKey = key.pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    return { KeySpec: key.spec, KeyUsage: 'SIGN_VERIFY', PublicKey };
  }
  const digest = Buffer.from(Message, 'base64');
  const isDigest = MessageType === 'DIGEST' && digest.length === 32;
  if (action !== 'TrentService.Sign' || !isDigest || SigningAlgorithm !== ALGORITHMS[name]) {
    return { __type: 'ValidationException' };
  }
  const file = join(folder, name);
  writeFileSync(file, key.pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const options = ['-pkeyopt', 'digest:sha256', ...(name === 'rsa' ? PSS : [])];
  // OpenSSL, since Node cannot sign a digest that was made elsewhere.
  const signature = execFileSync('openssl', ['pkeyutl', '-sign', '-inkey', file, ...options], {
    input: digest,
  });
  return { Signature: signature.toString('base64') };
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const isSigned = SCOPE.test(request.headers.authorization ?? '');
    const result = isSigned
      ? answer(String(request.headers['x-amz-target']), Buffer.concat(chunks).toString())
      : { __type: 'IncompleteSignature' };
    response.statusCode = '__type' in result ? 400 : 200;
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify(result));
  });
});
let port = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  port = z.object({ port: z.number() }).parse(server.address()).port;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true });
});

function open(name: string) {
  const env = {
    AWS_ENDPOINT_URL_KMS: `http://127.0.0.1:${port}`,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'secret',
  };
  return openSigner(`aws-kms:${name}`, { cwd: '/', env });
}

signerContract('AWS KMS, RSA', () => open('rsa'));
signerContract('AWS KMS, P-256', () => open('p256'));

describe('openSigner of aws-kms:', () => {
  it.each([
    ['p384', 'signing/unsupported'],
    ['NotFoundException', 'signing/not-there'],
    ['AccessDeniedException', 'signing/denied'],
    ['DisabledException', 'signing/disabled'],
    ['ThrottlingException', 'signing/unavailable'],
  ])('refuses %s with %s', async (name, code) => {
    await expect(open(name)).rejects.toMatchObject({ code });
  });
});
