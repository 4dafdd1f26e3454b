import { runCycle } from '../../agent/cycle.ts';
import { provision } from '../../agent/provision.ts';
import { hostWorld, sendTo } from './host-world.ts';
import type { HostWorld, Tamper, WorldOptions } from './host-world.ts';

/** A host on 1.0.0 that is sent to 1.1.0. */
export async function updatingHost(options: WorldOptions = {}): Promise<HostWorld> {
  const world = await hostWorld(options);
  await provision(await world.agent(), '1.0.0');
  await world.start('1.1.0');
  world.answer = sendTo('1.1.0');
  return world;
}

/** One cycle of its agent. */
export async function once(world: HostWorld) {
  return runCycle(await world.agent());
}

/** Answers for paths that end like this with a body that never ends, and counts the bytes that were sent. */
export function endless(ending: string, status = 200): { readonly tamper: Tamper; sent: number } {
  const answer = {
    sent: 0,
    tamper: ((path, response) => {
      if (!path.endsWith(ending)) return null;
      response.statusCode = status;
      const chunk = Buffer.alloc(1 << 16, ' ');
      const flood = () => {
        while (!response.destroyed && response.write(chunk)) answer.sent += chunk.length;
      };
      response.on('drain', flood);
      flood();
      return 'handled';
    }) satisfies Tamper,
  };
  return answer;
}
