/** What came out of many mutated files: counts, and the defects one by one. */
import type { Reply } from './worker.ts';

/** What must not come out of any file. */
export type DefectKind = 'untyped' | 'unsound' | 'time' | 'memory';

export interface Defect {
  readonly index: number;
  readonly kind: DefectKind;
  readonly file: string;
  readonly kinds: readonly string[];
  readonly stage: string;
  readonly what: string;
}

export interface Tally {
  cases: number;
  success: number;
  /** Typed errors by stage and code. */
  readonly refused: Record<string, number>;
  readonly defects: Defect[];
  /** Cases whose process was lost, or over a limit, when they were tried first; see `runCampaign`. */
  triedTwice: number;
  slowestMilliseconds: number;
  peakBytes: number;
}

export function emptyTally(): Tally {
  return { cases: 0, success: 0, refused: {}, defects: [], triedTwice: 0, slowestMilliseconds: 0, peakBytes: 0 };
}

/** Counts one case; one whose process was lost has no reply. */
export function add(tally: Tally, reply: Reply | undefined, defect: Defect | undefined): void {
  tally.cases++;
  if (reply) {
    tally.slowestMilliseconds = Math.max(tally.slowestMilliseconds, reply.milliseconds);
    tally.peakBytes = Math.max(tally.peakBytes, reply.peakBytes);
  }
  if (defect) {
    tally.defects.push(defect);
  } else if (reply?.outcome.kind === 'refused') {
    const key = `${reply.outcome.stage}: ${reply.outcome.what}`;
    tally.refused[key] = (tally.refused[key] ?? 0) + 1;
  } else tally.success++;
}

/** Both together, for a campaign that was continued. */
export function merged(a: Tally, b: Tally): Tally {
  const refused = { ...a.refused };
  for (const [key, count] of Object.entries(b.refused)) refused[key] = (refused[key] ?? 0) + count;
  return {
    cases: a.cases + b.cases,
    success: a.success + b.success,
    refused,
    defects: [...a.defects, ...b.defects],
    // A campaign that was begun before these were counted has none.
    triedTwice: (a.triedTwice ?? 0) + b.triedTwice,
    slowestMilliseconds: Math.max(a.slowestMilliseconds, b.slowestMilliseconds),
    peakBytes: Math.max(a.peakBytes, b.peakBytes),
  };
}

export function countOf(tally: Tally, kind: DefectKind): number {
  return tally.defects.filter((defect) => defect.kind === kind).length;
}

/** The summary, line by line. */
export function summary(tally: Tally): string {
  const refused = Object.values(tally.refused).reduce((sum, count) => sum + count, 0);
  const rows: readonly (readonly [string, number])[] = [
    ['mutated files', tally.cases],
    ['pruned, written and sound', tally.success],
    ['refused with a typed error', refused],
    ['untyped exceptions', countOf(tally, 'untyped')],
    ['taken or written although the check refuses it', countOf(tally, 'unsound')],
    ['over the time limit', countOf(tally, 'time')],
    ['over the memory limit', countOf(tally, 'memory')],
    ['tried twice, because of a limit', tally.triedTwice],
    ['slowest, milliseconds', Math.round(tally.slowestMilliseconds)],
    ['largest process, megabytes', Math.round(tally.peakBytes / 1e6)],
  ];
  return rows.map(([label, count]) => `${label.padEnd(48)}${count.toLocaleString('en-US').padStart(12)}`).join('\n');
}
