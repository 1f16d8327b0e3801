/** The public names of the report package. */
export { type AdjacencyOptions, drawDependencyGraph, drawGroups } from './adjacency.ts';
export { type DotOptions, dependencyGraphToDot, groupsToDot } from './dot.ts';
export { printCount } from './print-count.ts';
export { type Refusal, refusalsOf, showRefusals } from './refusals.ts';
export { type PlotSensitivityOptions, plotSensitivity } from './sensitivity/plot.ts';
export { mostSensitiveFirst, sensitivityToCsv } from './sensitivity/table.ts';
