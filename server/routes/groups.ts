import { Router } from 'express';
import { GroupCount } from '../../core/group-view.ts';
import type { GroupList } from '../../core/group-view.ts';
import { refuseMethod } from '../answer-errors.ts';
import type { Context } from '../context.ts';

type GroupsContext = Pick<Context, 'fleet' | 'state' | 'writeBehind' | 'sweep'>;

/** The groups of the fleet with their rules, their hosts, and what is under way in them. */
export function groupsRoute(context: GroupsContext): Router {
  const router = Router();
  router
    .route('/api/v1/groups')
    .get(async (_request, response) => {
      response.setHeader('Cache-Control', 'no-store');
      response.json(await countGroups(context));
    })
    .all(refuseMethod('GET'));
  return router;
}

async function countGroups(context: GroupsContext): Promise<GroupList> {
  const { fleet, state, writeBehind, sweep } = context;
  // So that whoever looks sees the polls that were answered before.
  await writeBehind.flush();
  const groups = new GroupCount(fleet.view.fleet.rules);
  await sweep.each({}, (host) => {
    groups.add(host);
  });
  for (const { id: rolloutId, release } of fleet.view.rollouts) {
    // Most rollouts are over, and a look at their hosts would find nobody.
    if ((await state.countsOf(rolloutId)).offered === 0) continue;
    await sweep.each({ rollout: { id: rolloutId, progress: 'offered' } }, (host) => {
      groups.addUnderWay(host, { rolloutId, version: release.version });
    });
  }
  return groups.list();
}
