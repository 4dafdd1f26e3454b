import type { AgentContext } from '../context.ts';
import { GptSlots } from '../slots/gpt.ts';
import type { SlotsState } from '../slots/slots.ts';
import { bad, good, warning } from './check.ts';
import type { Check } from './check.ts';

/** What the slots hold, as far as it can be read. Throws as reading slots does. */
export async function checkSlots(
  { slots }: Pick<AgentContext, 'slots'>,
  { active, inactive, isTriedInVain }: SlotsState,
): Promise<readonly Check[]> {
  const damaged = slots instanceof GptSlots ? (await slots.status()).gpt.damaged : null;
  const held = `${inactive?.release.version ?? 'nothing that can be activated'} in the other`;
  return [
    active === null
      ? bad('slots', 'no release is active on this host', 'run `tidegate agent provision` once')
      : good('slots', `${active.release.version} runs, ${held}`),
    ...(damaged === null
      ? []
      : [
          warning(
            'slots',
            `the ${damaged.copy} copy of the partition table is damaged: ${damaged.why}`,
            'it is repaired at the next change; see whether the disk fails',
          ),
        ]),
    ...(isTriedInVain
      ? [
          warning(
            'slots',
            'the boot loader tried the other slot as often as it may, in vain',
            'see why its release does not boot; `tidegate agent slots cancel` lets it be tried anew',
          ),
        ]
      : []),
  ];
}
