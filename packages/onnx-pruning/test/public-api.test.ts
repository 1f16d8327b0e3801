/**
 * The public surface, pinned: a name that is added or lost here is a decision, not an accident. One import gives users
 * everything under the names that they know from Torch-Pruning, in camelCase.
 */
import * as api from 'onnx-pruning';
import * as onnx from 'onnx-pruning/onnx';
import * as ops from 'onnx-pruning/ops';

const names = (module: object): string[] => Object.keys(module).sort();
const list = (text: string): string[] => text.trim().split(/\s+/).sort();

const MODELS =
  'loadModel saveModel completeInterruptedSave parseModel encodeModel checkModel printModel Model GraphBuilder';
const GROUPS = 'DependencyGraph Group findBrokenNodes pruningFunctions';
const COUNTING = 'countOpsAndParams printCount';
const PRUNERS = 'BasePruner MetaPruner MagnitudePruner BNScalePruner GroupNormPruner linearScheduler';
const CRITERIA = `GroupMagnitudeImportance GroupNormImportance MagnitudeImportance BNScaleImportance LAMPImportance
  FPGMImportance RandomImportance ActivationImportance WandaImportance PredictionImportance
  ReconstructionImportance createRandom readNumbers tensorDims`;
const PLANS = 'createPlan applyPlan parsePlan maskModel softPrune fingerprint';
const PROOF = 'verify assertVerified compareModels';
const RUNNING = `benchmark createSession withSession randomInputs makeValue measureMemory availableExecutionProviders
  listExecutionProviders isRuntimeInstalled observe observers`;
const INPUTS = 'readFeeds readNpy readNpz readRaw readTensorProto openDataset Dataset evaluate comparePaired';
const RECOVERY = 'pruneWithinDrop recalibrateBatchNorm reconstruct sensitivity';
const REPORTS = `drawGroups drawDependencyGraph groupsToDot dependencyGraphToDot refusalsOf showRefusals plotSensitivity
  sensitivityToCsv`;
const ERRORS = `OnnxPruningError ArgumentError CountError LayerError RewriteError ShapeError ExternalDataError InconclusiveError InvalidModelError WeightError
  ModelFileError SaveError TensorError UnknownLayerError AmbiguousLayerError EquivalenceError CriterionError OptionError PlanError
  SoftPruningError DataError ExecutionProviderError FeedError RecoveryError RuntimeError SessionError EditError ObserveError`;

/** One function for each side of each kind of layer, as in Torch-Pruning. */
const SIDES = [
  ...['Conv', 'DepthwiseConv', 'ConvTranspose', 'Linear', 'Batchnorm', 'Layernorm', 'Groupnorm', 'Instancenorm'],
  ...['Prelu', 'Embedding', 'Lstm', 'Gru', 'Rnn', 'Attention', 'Parameter'],
].flatMap((kind) => [`prune${kind}OutChannels`, `prune${kind}InChannels`]);

describe('the package onnx-pruning', () => {
  it('exports what users need, and nothing else', () => {
    const groups = [
      MODELS,
      GROUPS,
      COUNTING,
      PRUNERS,
      CRITERIA,
      PLANS,
      PROOF,
      RUNNING,
      INPUTS,
      RECOVERY,
      REPORTS,
      ERRORS,
    ];
    expect(names(api)).toEqual([...groups.flatMap(list), ...SIDES].sort());
  });

  it('has errors that are all of one kind', () => {
    for (const name of list(ERRORS)) {
      const error: unknown = Reflect.construct(Reflect.get(api, name), ['CODE', 'something is wrong']);
      expect(error).toBeInstanceOf(api.OnnxPruningError);
    }
  });
});

it('onnx-pruning/ops exports what a record is written with', () => {
  const registry = 'OperatorRegistry standardOperators DuplicateOperatorError LAYER_KINDS NEWEST_OPSET OLDEST_OPSET';
  const nothingToDo = 'nothing noMacs noOverhead noLayer';
  const sizes = 'addDims subDims mulDims divDims sameDim compareDims canonicalDim productOfDims isKnown';
  expect(names(ops)).toEqual(list(`${registry} ${nothingToDo} ${sizes} broadcastDims equateBroadcast`));
});

it('onnx-pruning/onnx exports what ONNX files are read, built and edited with', () => {
  const models = 'loadModel saveModel parseModel encodeModel checkModel printModel fingerprint Model GraphBuilder';
  const attributes = `attrInt attrInts attrFloat attrFloats attrString attrTensor attrGraph getAttribute setAttribute
    makeAttribute AttributeType`;
  const tensors = `tensorDims tensorSize tensorBytes tensorView readNumbers readInts makeTensor NumberBlocks DataType
    dataTypeName bitsPerElement byteLength toNumber toBigInt`;
  const graphs = `constantTensor constantTensors replaceConstant visitTensors subgraphs outerReferences cloneProto
    shallowCloneProto nearestNames NEWEST_IR_VERSION GraphEditor EditError GraphScope scopesOf
    extractModel tensorFingerprint tensorType`;
  expect(names(onnx)).toEqual(list(`${models} ${attributes} ${tensors} ${graphs}`));
});
