/** What other programs may use of the benchmarks: the suite, its results and their tables. */

export type { Phase, PhaseTimes } from './engine.ts';
export type { EngineMemory, EngineTime } from './measure-engine.ts';
export { type ProofResult, proofTable, sumOf } from './proof-table.ts';
export * from './result.ts';
export { type Change, changeIndex, changeNumber, changeSize, type Sabotaged } from './sabotage.ts';
export { runSuite, type SuiteOptions } from './suite.ts';
export * from './tables.ts';
