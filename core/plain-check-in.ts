import type { CheckIn } from './check-in.ts';
import { isObject } from './json.ts';
import { isSeed } from './seed.ts';
import { isVersion } from './version.ts';

const NAME = /^[\x20-\x7e]{1,128}$/;
const LABEL = /^[\x20-\x7e]{0,256}$/;
const STATES: readonly unknown[] = [
  ...['idle', 'available', 'staged', 'ready', 'confirming', 'fallen-back'],
];

/**
 * Whether a value is a check-in of the kind that nearly all are: plain ASCII and without reports. `checkInSchema` takes
 * each of them as it is, in ten times the time; of those that are not plain it has to judge.
 */
export function isPlainCheckIn(value: unknown): value is CheckIn {
  if (!isObject(value)) return false;
  let members = 0;
  for (const key in value) {
    if (key !== 'host' && key !== 'state') return false;
    members += 1;
  }
  return members === 2 && STATES.includes(value['state']) && isPlainHost(value['host']);
}

function isPlainHost(host: unknown): boolean {
  if (!isObject(host)) return false;
  let required = 0;
  for (const key in host) {
    if (!isPlainMember(key, host[key])) return false;
    if (key === 'id' || key === 'variant' || key === 'arch' || key === 'version') required += 1;
  }
  return required === 4;
}

function isPlainMember(key: string, value: unknown): boolean {
  switch (key) {
    case 'id':
    case 'variant':
    case 'arch':
    case 'group':
      return typeof value === 'string' && NAME.test(value);
    case 'version':
      return typeof value === 'string' && NAME.test(value) && isVersion(value);
    case 'seed':
      return typeof value === 'number' && isSeed(value);
    case 'labels':
      return isPlainLabels(value);
    default:
      return false;
  }
}

function isPlainLabels(labels: unknown): boolean {
  if (!isObject(labels)) return false;
  for (const key in labels) {
    const value = labels[key];
    if (typeof value !== 'string' || !LABEL.test(value)) return false;
    if (!NAME.test(key) || key === '__proto__') return false;
  }
  return true;
}
