import { parseManifest } from '../core/manifest.ts';
import type { Plan } from '../core/plan.ts';
import { MANIFEST_TARGET } from '../core/tuf/names.ts';
import type { VerifiedRepository } from './tuf/client.ts';

/** The rollouts and the rules of the fleet as the signed manifest has them. Throws as reading a target does. */
export async function readPlan(repository: Pick<VerifiedRepository, 'readTarget'>): Promise<Plan> {
  return parseManifest(new TextDecoder().decode(await repository.readTarget(MANIFEST_TARGET)));
}
