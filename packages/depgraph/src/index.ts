/** The public names of the dependency graph. */

export { type Analysis, analyse, mixingsOf, termOf } from './analysis/analysis.ts';
export { alikeInGroups } from './groups/alike.ts';
export { GRAPH } from './groups/argument-kinds.ts';
export {
  type AllGroupsOptions,
  BUILD_OPTIONS,
  type BuildOptions,
  type GroupSelection,
  LAYERS,
  pickBuildOptions,
} from './groups/build-options.ts';
export {
  DependencyGraph,
  isRootLayer,
} from './groups/dependency-graph.ts';
export { channelsOn, type Edge, edgesOf, type Vertex, verticesOf } from './groups/dependency-view.ts';
export {
  type Dependency,
  GROUP,
  Group,
  type GroupItem,
  type GroupOwner,
  type GroupParameter,
  indexPairs,
} from './groups/group.ts';
export type { HistoryEntry } from './groups/history.ts';
export type { IndexPairs } from './groups/index-pairs.ts';
export * from './groups/pruning-function.ts';
export { channelReasons, placeOf, showReason } from './groups/reasons.ts';
export { emptiedAxis, narrowAxes, primaryLeaves, type RemovedCells, removalOf } from './groups/selection.ts';
export { type BrokenNode, findBrokenNodes, pruneLayerAlone } from './groups/single-layer.ts';
export {
  type LayerAxis,
  LayerError,
  type ParameterAxis,
  type PrunableLayer,
  partOf,
  type Side,
  traceOrder,
  type UnwrappedParameter,
} from './layers/layers.ts';
export type { LayerMatch, LayerSelector } from './layers/select.ts';
export type { UnlistedLayer } from './layers/unlisted.ts';
export { gatherAxes, type RawTensor } from './rewrite/gather.ts';
export { RewriteError, removeChannels } from './rewrite/rewrite.ts';
export { registryWith } from './shapes/customized.ts';
export { GraphNodeView, nodeLabel } from './shapes/node-view.ts';
export { isVector, type SeparatedVectors } from './shapes/separated-vectors.ts';
export { type InputShapes, inferShapes, opsetOf, ShapeError, type ShapeTable } from './shapes/shapes.ts';
export type { Consumption, Mixing } from './terms/consumption.ts';
export { forEachCell, KeptIndices } from './terms/kept.ts';
export { type AxisLayout, type AxisLayouts, indexOfChannel, type LeafPlaces } from './terms/layout.ts';
export { type LeafRemoval, SizesAfter } from './terms/sizes-after.ts';
export {
  childrenOf,
  type DimTerm,
  type FixedReason,
  find,
  fixedReasons,
  foldTerm,
  forEachLeaf,
  type Leaf,
  leavesOf,
  numericSize,
  originalSize,
  printTerm,
} from './terms/term.ts';
export { TermUniverse } from './terms/unify.ts';
