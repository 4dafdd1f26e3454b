import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PackageError } from './errors.ts';

/** The Node that hosts get: the one that the lock file pins for a machine like this. */
export type HostNode = {
  readonly program: string;
  readonly license: string;
  /** As Debian and as a host's configuration call it. */
  readonly debianArch: string;
  readonly arch: string;
};

const ARCHES = {
  x64: { debianArch: 'amd64', arch: 'x86_64' },
  arm64: { debianArch: 'arm64', arch: 'aarch64' },
} as const;

/** Throws `package/no-node` on a machine for which none is pinned, or where optional packages were left out. */
export function findHostNode(): HostNode {
  const { arch, platform } = process;
  const name = `node-${platform}-${arch}`;
  if (arch !== 'x64' && arch !== 'arm64') throw noNode(name);
  try {
    const program = createRequire(import.meta.url).resolve(`${name}/bin/node`);
    return { program, license: join(dirname(program), '..', 'LICENSE'), ...ARCHES[arch] };
  } catch (cause) {
    throw noNode(name, cause);
  }
}

function noNode(name: string, cause?: unknown): PackageError {
  return new PackageError('package/no-node', `package ${name} must be installed`, {
    cause,
    hints: ['run `npm ci` on a Linux machine, x64 or arm64, without --omit=optional'],
  });
}
