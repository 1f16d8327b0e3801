/** Peak memory of this process. It must load nothing that would show in the measurement. */
import { readFileSync } from 'node:fs';

/**
 * Largest resident set of this process so far, in bytes. Linux is asked for the peak of this very process: the
 * resource usage of a child also counts what its parent held when it was started.
 */
export function peakMemoryBytes(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024;
  const [, kibibytes] = /VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  return Number(kibibytes) * 1024;
}
