/** One import gives users everything, under the names that they know from Torch-Pruning, in camelCase. */
import * as onnx from '@onnx-pruning/onnx';
import * as ops from '@onnx-pruning/ops';
import * as api from 'onnx-pruning';

describe('the package onnx-pruning', () => {
  it.each([
    ['models', ['loadModel', 'saveModel', 'parseModel', 'encodeModel', 'checkModel', 'printModel', 'GraphBuilder']],
    ['groups', ['DependencyGraph', 'Group', 'pruneConvOutChannels', 'pruneLinearInChannels', 'countOpsAndParams']],
    ['pruning', ['BasePruner', 'GroupMagnitudeImportance', 'createPlan', 'applyPlan', 'maskModel']],
    ['running', ['verify', 'benchmark', 'createSession', 'availableExecutionProviders']],
    ['operators', ['OperatorRegistry', 'mulDims']],
    ['errors', ['OnnxPruningError', 'UnknownLayerError', 'LayerError', 'OptionError', 'PlanError', 'EquivalenceError']],
  ])('exports what belongs to %s', (_, names) => {
    for (const name of names) expect([name, typeof Reflect.get(api, name)]).toEqual([name, 'function']);
  });

  it('means one thing by a name that two packages have', () => {
    expect(ops.NEWEST_OPSET).toBe(onnx.NEWEST_OPSET);
  });
});
