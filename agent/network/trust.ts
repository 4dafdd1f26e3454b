import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import { AgentError } from '../errors.ts';
import type { Environment } from './proxy.ts';
import type { NetworkSettings } from './settings.ts';

/** Where systems keep all authorities in one file: Debian, Fedora and Bottlerocket, SUSE, Alpine. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Whom this host trusts over TLS, and what it shows of itself. */
export class TlsTrust {
  readonly #files: Pick<NetworkSettings, 'ca' | 'certificate' | 'key'>;
  readonly #systemFiles: readonly string[];
  #last: { readonly stamp: string; readonly context: SecureContext } | null = null;

  /** SSL_CERT_FILE in the environment is the system's file of authorities, as it is for OpenSSL. */
  constructor(
    files: Pick<NetworkSettings, 'ca' | 'certificate' | 'key'>,
    { SSL_CERT_FILE: named = '' }: Environment,
  ) {
    this.#files = files;
    this.#systemFiles = named === '' ? SYSTEM_FILES : [named];
  }

  /**
   * As the files are now: certificates are renewed while an agent runs, and a new one counts from the next connection on.
   * Throws `agent/config` naming the file that is missing or is not what it should be.
   */
  async context(): Promise<SecureContext> {
    const { ca, certificate, key } = this.#files;
    const paths = [ca, certificate, key].filter((path) => path !== null);
    const stamp = (await Promise.all(paths.map(stampOf))).join();
    if (this.#last?.stamp === stamp) return this.#last.context;
    const own =
      certificate === null || key === null
        ? {}
        : { cert: await readPem(certificate), key: await readPem(key) };
    const more = ca === null ? [] : await readAuthorities(ca);
    const system = await readSystemAuthorities(this.#systemFiles);
    const context = made({ ca: [...system, ...more], ...own }, certificate);
    this.#last = { stamp, context };
    return context;
  }
}

/**
 * The system's own; a minimal image has none, and then those that Node brings along. Node could find the system's by itself,
 * but takes every one of a folder several times, and 4 MiB of memory for them.
 */
async function readSystemAuthorities(files: readonly string[]): Promise<readonly string[]> {
  for (const path of files) {
    const pem = await readFile(path, 'utf8').catch(() => '');
    if (pem.includes('-----BEGIN')) return [pem];
  }
  return getCACertificates('bundled');
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

async function readAuthorities(path: string): Promise<readonly string[]> {
  const certificates = (await readPem(path)).match(CERTIFICATE) ?? [];
  const isGood = (pem: string) => {
    try {
      return new X509Certificate(pem).subject !== '';
    } catch {
      return false;
    }
  };
  if (certificates.length > 0 && certificates.every(isGood)) return certificates;
  throw new AgentError('agent/config', `network.ca: ${path} must hold certificates in PEM`);
}

function made(options: Parameters<typeof createSecureContext>[0], path: string | null) {
  try {
    return createSecureContext(options);
  } catch (cause) {
    const reason = errnoOf(cause) ?? 'unknown';
    throw new AgentError(
      'agent/config',
      `network.certificate: ${path ?? ''} and network.key must be a certificate and its key in PEM, got ${reason}`,
      { cause },
    );
  }
}

async function stampOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await onFile(path, () => stat(path));
  return [path, ino, size, mtimeMs].join(':');
}

function readPem(path: string): Promise<string> {
  return onFile(path, () => readFile(path, 'utf8'));
}

async function onFile<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const reason = errnoOf(cause) ?? 'unknown';
    throw new AgentError('agent/config', `network: cannot read ${path}: ${reason}`, { cause });
  }
}
