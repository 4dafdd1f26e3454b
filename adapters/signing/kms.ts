import { createHash, createPublicKey } from 'node:crypto';
import { GetPublicKeyCommand, KMSClient, SignCommand } from '@aws-sdk/client-kms';
import type { GetPublicKeyCommandOutput, KMSClientConfig } from '@aws-sdk/client-kms';
import { keyId } from '../../core/tuf/keys.ts';
import type { Key } from '../../core/tuf/keys.ts';
import { SigningError } from './errors.ts';
import { kmsRequest } from './kms-errors.ts';
import { profileKey } from './pem.ts';
import type { Signer } from './signer.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const ANSWER_MS = 15_000;
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const KEY_NAME = /^(?:arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:(?:key|alias)\/)?[A-Za-z0-9/_-]{1,256}$/;

/**
 * A key that stays in AWS KMS, by id, ARN or `alias/NAME`. Region, credentials and endpoint come from the ARN, then `env`
 * by the names of the AWS SDK, then the SDK's own sources. The digest is made here: KMS takes at most 4096 bytes.
 */
export async function openKmsSigner({
  source,
  keyName,
  env,
  answerMs = ANSWER_MS,
}: {
  readonly source: string;
  readonly keyName: string;
  readonly env: Environment;
  /** How long each of the three attempts waits for an answer. */
  readonly answerMs?: number;
}): Promise<Signer> {
  if (!KEY_NAME.test(keyName)) {
    throw new SigningError('signing/source', 'aws-kms: must name a key, an ARN or alias/NAME');
  }
  const client = new KMSClient(configuration(keyName, { env, answerMs }));
  try {
    await regionOf(client, source);
    const key = keyFrom(
      await kmsRequest(source, 'GetPublicKey', () =>
        client.send(new GetPublicKeyCommand({ KeyId: keyName })),
      ),
      source,
    );
    return {
      source,
      key,
      keyId: keyId(key),
      sign: (bytes) => sign(client, { source, keyName, key }, bytes),
      [Symbol.asyncDispose]: async () => {
        client.destroy();
      },
    };
  } catch (error) {
    client.destroy();
    throw error;
  }
}

async function sign(
  client: KMSClient,
  {
    source,
    keyName,
    key,
  }: { readonly source: string; readonly keyName: string; readonly key: Key },
  bytes: Uint8Array,
): Promise<string> {
  const { Signature } = await kmsRequest(source, 'Sign', () =>
    client.send(
      new SignCommand({
        KeyId: keyName,
        Message: createHash('sha256').update(bytes).digest(),
        MessageType: 'DIGEST',
        // KMS salts RSASSA-PSS with as many bytes as the digest has, which is what tough demands.
        SigningAlgorithm: key.keytype === 'rsa' ? 'RSASSA_PSS_SHA_256' : 'ECDSA_SHA_256',
      }),
    ),
  );
  if (Signature === undefined || Signature.length === 0) {
    throw new SigningError('signing/unavailable', `${source}: KMS answered without a signature`);
  }
  return Buffer.from(Signature).toString('hex');
}

function keyFrom({ PublicKey, KeyUsage, KeySpec }: GetPublicKeyCommandOutput, source: string): Key {
  const isOfTheProfile = KeySpec === 'ECC_NIST_P256' || KeySpec?.startsWith('RSA_') === true;
  if (KeyUsage !== 'SIGN_VERIFY' || !isOfTheProfile) {
    throw new SigningError(
      'signing/unsupported',
      `${source} must be a KMS key for SIGN_VERIFY of spec ECC_NIST_P256 or RSA_2048 to RSA_4096, got ${KeyUsage} ${KeySpec}`,
    );
  }
  try {
    return profileKey(
      createPublicKey({ key: Buffer.from(PublicKey ?? []), format: 'der', type: 'spki' }),
      source,
    );
  } catch (cause) {
    if (cause instanceof SigningError) throw cause;
    throw new SigningError('signing/not-a-key', `${source}: KMS sent no readable public key`, {
      cause,
    });
  }
}

async function regionOf(client: KMSClient, source: string): Promise<void> {
  try {
    await client.config.region();
  } catch (cause) {
    throw new SigningError('signing/source', `no region is known for ${source}`, {
      cause,
      hints: ['give the whole ARN of the key, or set AWS_REGION'],
    });
  }
}

function configuration(
  keyName: string,
  { env, answerMs }: { readonly env: Environment; readonly answerMs: number },
): KMSClientConfig {
  const endpoint = setting(env, 'AWS_ENDPOINT_URL_KMS') ?? setting(env, 'AWS_ENDPOINT_URL');
  const ofArn = keyName.startsWith('arn:') ? keyName.split(':')[3] : undefined;
  const region = ofArn ?? setting(env, 'AWS_REGION') ?? setting(env, 'AWS_DEFAULT_REGION');
  const accessKeyId = setting(env, 'AWS_ACCESS_KEY_ID');
  const secretAccessKey = setting(env, 'AWS_SECRET_ACCESS_KEY');
  const sessionToken = setting(env, 'AWS_SESSION_TOKEN');
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : {
          credentials: {
            accessKeyId,
            secretAccessKey,
            ...(sessionToken === undefined ? {} : { sessionToken }),
          },
        }),
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 10_000,
      requestTimeout: answerMs,
      throwOnRequestTimeout: true,
      logger: SILENT,
    },
    logger: SILENT,
  };
}

function setting(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}
