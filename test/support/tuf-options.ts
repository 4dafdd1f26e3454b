import { join } from 'node:path';
import type { TufOptions } from '../../agent/tuf/client.ts';
import type { HostWorld } from './host-world.ts';

/** How the agent of this host reads the repository, with nothing waited for. */
export function tufOptionsOf(world: HostWorld, change: Partial<TufOptions> = {}): TufOptions {
  return {
    metadataUrl: `${world.url}/repo/metadata/`,
    targetsUrl: `${world.url}/repo/targets/`,
    trustAnchor: join(world.folder, 'root.json'),
    folder: join(world.folder, 'tuf'),
    now: () => world.now,
    pause: async () => {},
    ...change,
  };
}
