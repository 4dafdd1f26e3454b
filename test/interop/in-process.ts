import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Updater } from 'tuf-js';
import { refreshRepository } from '../../agent/tuf/client.ts';
import type { Outcome, Visit } from './clients.ts';

/** tuf-js as its users call it. */
export function readWithTufJs(visit: Visit): Promise<Outcome> {
  return outcomeOf(async () => {
    await mkdir(visit.out, { recursive: true });
    await mkdir(visit.memory, { recursive: true });
    const remembered = join(visit.memory, 'root.json');
    if (!existsSync(remembered)) await copyFile(visit.firstRoot, remembered);
    const updater = new Updater({
      metadataDir: visit.memory,
      metadataBaseUrl: visit.metadataUrl,
      targetBaseUrl: visit.targetsUrl,
    });
    await updater.refresh();
    for (const name of visit.names) {
      const info = await updater.getTargetInfo(name);
      if (info === undefined) throw new Error(`no target ${name} is published`);
      await updater.downloadTarget(info, join(visit.out, name));
    }
  });
}

/** Our own agent's way through TUF, without slots. */
export function readAsAgent(visit: Visit): Promise<Outcome> {
  return outcomeOf(async () => {
    await mkdir(visit.out, { recursive: true });
    const repository = await refreshRepository({
      metadataUrl: `${visit.metadataUrl}/`,
      targetsUrl: `${visit.targetsUrl}/`,
      trustAnchor: visit.firstRoot,
      folder: visit.memory,
      now: () => new Date(),
      pause: async () => {},
    });
    for (const name of visit.names) {
      await writeFile(join(visit.out, name), await repository.readTarget(name));
    }
    if (repository.damaged.length > 0) throw new Error(`damaged: ${repository.damaged.join()}`);
  });
}

async function outcomeOf(work: () => Promise<void>): Promise<Outcome> {
  try {
    await work();
    return { kind: 'read' };
  } catch (error) {
    return { kind: 'refused', reason: String(error) };
  }
}
