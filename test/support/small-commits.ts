import { openRepository } from '../../adapters/repository/repository.ts';
import type { Patience } from '../../adapters/repository/patience.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { exampleSigner } from './example-keys.ts';
import { NOW, RELEASES } from './example-repository.ts';

/** How many of the small targets are listed at a time; a role may have 500. */
export const LISTED_AT_A_TIME = 50;

export function smallTarget(index: number): string {
  return `aws-k8s-1.32-x86_64-9.0.${index}-small`;
}

/** A publisher that commits one more small target each time, takes an old one out, and yields the version of its timestamp. */
export async function* publishedVersions(
  storage: Storage,
  times: number,
  patience: Patience = {},
): AsyncGenerator<number, void, undefined> {
  const signers = [await exampleSigner('release'), await exampleSigner('online')];
  const repository = openRepository({ storage, now: () => NOW, ...patience });
  for (let index = 0; index < times; index += 1) {
    const name = smallTarget(index);
    const change = {
      addFiles: [{ name, bytes: Buffer.from(name) }],
      remove: [smallTarget(index - LISTED_AT_A_TIME)],
    };
    const { timestamp, delegated } = await repository.commit({
      signers,
      edit: () => ({ roles: new Map([[RELEASES, change]]) }),
    });
    if (delegated.get(RELEASES)?.targets[name] === undefined) throw new Error(`${name} is lost`);
    yield timestamp.version;
  }
}
