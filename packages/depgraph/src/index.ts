export { type AdjacencyOptions, drawDependencyGraph, drawGroups } from './adjacency.ts';
export { type Analysis, analyse, mixingsOf, termOf } from './analysis.ts';
export { type Cost, CostModel } from './cost-model.ts';
export {
  type CountConvention,
  CountError,
  type CountOptions,
  countOpsAndParams,
  type LayerCount,
  type LayerWiseCount,
  type ModelCount,
} from './count.ts';
export { registryWith } from './customized.ts';
export {
  type AllGroupsOptions,
  type BuildOptions,
  DependencyGraph,
  type GroupSelection,
  type HistoryEntry,
  isRootLayer,
} from './dependency-graph.ts';
export { type DotOptions, dependencyGraphToDot, groupsToDot } from './dot.ts';
export type { Consumption, Mixing } from './equations.ts';
export { gatherAxes, type RawTensor } from './gather.ts';
export { type Dependency, Group, type GroupItem, indexPairs } from './group.ts';
export type { IndexPairs } from './index-pairs.ts';
export { forEachCell, KeptIndices } from './kept.ts';
export {
  type LayerAxis,
  LayerError,
  type ParameterAxis,
  type PrunableLayer,
  partOf,
  type Side,
  traceOrder,
  type UnwrappedParameter,
} from './layers.ts';
export { type AxisLayout, type AxisLayouts, indexOfChannel, type LeafPlaces } from './layout.ts';
export { nodeLabel } from './node-view.ts';
export { printCount } from './print-count.ts';
export * from './pruning-function.ts';
export { type LeafRemoval, RewriteError, removeChannels } from './rewrite.ts';
export { emptiedAxis, primaryLeaves, type RemovedCells, removalOf } from './selection.ts';
export { type InputShapes, inferShapes, ShapeError, type ShapeTable } from './shapes.ts';
export { type BrokenNode, findBrokenNodes, pruneLayerAlone } from './single-layer.ts';
export {
  type DimTerm,
  type FixedReason,
  find,
  fixedReasons,
  forEachLeaf,
  leavesOf,
  numericSize,
  originalSize,
  printTerm,
} from './term.ts';
export { TermUniverse } from './unify.ts';
