/** What the proof said of right and of sabotaged models, and the table of it. It must not measure. */

export interface ProofResult {
  readonly name: string;
  readonly network: string;
  /** Right models that were checked, and how often each verdict was given. */
  runs: number;
  holds: number;
  inconclusive: number;
  differs: number;
  /** Changes made on purpose after which the outputs are others, how many were caught, and how many by the runs alone. */
  changes: number;
  caught: number;
  byRuns: number;
  /** Changes after which the outputs are the same, bit for bit. */
  harmless: number;
  /** Every verdict other than `holds`, and every change that was not caught, with why. */
  readonly notes: string[];
}

const COUNTS = ['runs', 'holds', 'inconclusive', 'differs', 'changes', 'caught', 'byRuns', 'harmless'] as const;

/** The sum of results, under a name. */
export function sumOf(name: string, results: readonly ProofResult[]): ProofResult {
  const sum: ProofResult = {
    ...{ name, network: name, runs: 0, holds: 0, inconclusive: 0, differs: 0 },
    ...{ changes: 0, caught: 0, byRuns: 0, harmless: 0, notes: results.flatMap(({ notes }) => notes) },
  };
  for (const result of results) for (const count of COUNTS) sum[count] += result[count];
  return sum;
}

/** A Markdown table with one row for each network, and their sum. */
export function proofTable(results: readonly ProofResult[]): string {
  const networks = [...new Set(results.map(({ network }) => network))];
  const rows = networks.map((network) =>
    sumOf(
      network,
      results.filter((result) => result.network === network),
    ),
  );
  if (networks.length > 1) rows.push(sumOf('all', results));
  const share = (n: number, of: number): string => `${n} of ${of}`;
  return [
    '| network | runs | holds | inconclusive | differs | changes caught | by the runs alone | changes without effect |',
    '|---|---|---|---|---|---|---|---|',
    ...rows.map((row) => {
      const { name, runs, holds, inconclusive, differs, changes, caught, byRuns, harmless } = row;
      const cells = [
        name,
        runs,
        holds,
        inconclusive,
        differs,
        share(caught, changes),
        share(byRuns, changes),
        harmless,
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  ].join('\n');
}
