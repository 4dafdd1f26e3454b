import type { Host } from '../adapters/state/state.ts';
import type { HostView } from '../core/host-view.ts';
import { formatInstant } from '../core/instant.ts';

/** A host as the API shows it. */
export function hostJson(host: Host): HostView {
  return {
    ...host,
    firstSeen: formatInstant(host.firstSeen),
    lastSeen: formatInstant(host.lastSeen),
  };
}
