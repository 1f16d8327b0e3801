/**
 * What reads, edits and writes models in memory. Nothing here opens files, so that it runs in a browser, too; see index.ts for
 * the whole API.
 */
export {
  anyOf,
  checkArgument,
  checkArguments,
  checkOptions,
  instanceOf,
  type Kind,
  kinds,
  listOf,
  type OptionKinds,
  oneOf,
  optional,
  recordOf,
} from './arguments.ts';
export type { AttributeValue } from './attribute-value.ts';
export * from './attributes.ts';
export * from './builder.ts';
export { checkModel } from './check.ts';
export { cloneProto, shallowCloneProto } from './clone.ts';
export { decodeMessage, encodeMessage, type MessageTypes } from './codec.ts';
export * from './constants.ts';
export { asArray, type Bytes, type Numbers } from './content/bytes.ts';
export { type ByteSource, type Content, StoredBytes } from './content/stored-bytes.ts';
export * from './data-type.ts';
export { decodeModel } from './decode.ts';
export { EditError, GraphEditor } from './edit/graph-editor.ts';
export { type NameScheme, NameTable, numbered, suffixed } from './edit/names.ts';
export type { GraphEditorOptions, InsertedNodeOptions, ReplaceUsesOptions } from './edit/options.ts';
export { encodedSize, encodeModel } from './encode.ts';
export * from './errors.ts';
export { extractModel } from './extract.ts';
export { greatest, least } from './extremes.ts';
export { ambiguousLayer, listNames, unknownLayer } from './find-layer.ts';
export { type FingerprintedModel, fingerprint, tensorFingerprint } from './fingerprint.ts';
export * from './int64.ts';
export { nearestNames } from './layer-names.ts';
export * from './make-tensor.ts';
export * from './model.ts';
export { checkNesting } from './nesting.ts';
export { howNameFits, isPattern, type NodeMatch, NodeNames } from './node-names.ts';
export { NumberBlocks } from './number-blocks.ts';
export * from './print.ts';
export type * from './proto.ts';
export * from './random.ts';
export { GraphScope, nestedScopes, scopesOf } from './scopes.ts';
export { sha256 } from './sha256.ts';
export {
  contentKey,
  copyTensorBytes,
  forEachTensorBytes,
  hasContent,
  isExternal,
  isInFile,
  isStoredExternally,
  tensorBytes,
  tensorDims,
  tensorSize,
  withContent,
  withContentOf,
} from './tensor.ts';
export { tensorType } from './tensor-type.ts';
export {
  type Elements,
  type ElementView,
  readInts,
  readNumbers,
  type TensorView,
  tensorView,
} from './tensor-view.ts';
export * from './versions.ts';
export { outerReferences, subgraphs, usedNames, visitTensors } from './walk.ts';
