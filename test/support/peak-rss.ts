import { readFileSync } from 'node:fs';

/**
 * The most memory that this process has had resident since it began, in MiB. The kernel's `ru_maxrss`, which Node's
 * `resourceUsage` tells, starts at what the parent had when it forked; the mark of the address space does not.
 */
export function peakRssMiB(): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kib) / 1024;
}
