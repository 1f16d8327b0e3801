/** The public names of the report package. */
export { type AdjacencyOptions, drawDependencyGraph, drawGroups } from './adjacency.ts';
export { type DotOptions, dependencyGraphToDot, groupsToDot } from './dot.ts';
export { printCount } from './print-count.ts';
export { type Refusal, refusalsOf, showRefusals } from './refusals.ts';
