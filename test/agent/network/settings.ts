import type { NetworkSettings } from '../../../agent/network/settings.ts';

/** `[network]` that says nothing. */
export const PLAIN: NetworkSettings = {
  ...{ proxy: null, noProxy: null, ca: null, certificate: null, key: null, limit: null },
};
