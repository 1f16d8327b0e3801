/**
 * What JavaScript callers get for wrong arguments: an error of ours that says what was expected and found. Every public
 * function and class is called, so that a new one cannot be forgotten.
 */
import * as api from 'onnx-pruning';
import * as onnx from 'onnx-pruning/onnx';
import * as ops from 'onnx-pruning/ops';
import { conv, image, lastConv } from '../../ops/cases/blocks.ts';

const { GraphBuilder, OnnxPruningError } = api;

function model(): api.Model {
  const b = new GraphBuilder();
  lastConv(b, conv(b, 'conv1', image(b), 3, 8), 8);
  return b.build();
}

const graph = (): api.DependencyGraph => new api.DependencyGraph().buildDependency(model());
const importance = new api.GroupMagnitudeImportance();

/** Arguments that fit nothing; and none at all. */
const WRONG: readonly (readonly unknown[])[] = [
  [],
  [5],
  [null],
  ['?', null],
  [{}],
  [Symbol('x')],
  [model(), 5],
  [model(), null],
  [graph(), 5],
  [Number.NaN, {}, -1],
  [[5], [null]],
];

/** What is no function of arguments, or takes any: checked elsewhere. */
const isError = (value: unknown): boolean =>
  typeof value === 'function' && (value.prototype instanceof OnnxPruningError || value === OnnxPruningError);

const isClass = (callee: (...args: never[]) => unknown): boolean => {
  const text = Function.prototype.toString.call(callee);
  return text.startsWith('class') || text.includes('_classCallCheck');
};

/** Calls a function or constructor; what it throws, now or later, or nothing. */
async function thrownBy(callee: (...args: never[]) => unknown, args: readonly unknown[]): Promise<unknown> {
  try {
    const result = await (isClass(callee) ? Reflect.construct(callee, args) : Reflect.apply(callee, undefined, args));
    if (typeof result === 'object' && result !== null && 'next' in result) (result as Iterator<unknown>).next();
    return undefined;
  } catch (error) {
    return error;
  }
}

const functionsOf = (module: object): [string, (...args: never[]) => unknown][] =>
  Object.entries(module).filter(([, value]) => typeof value === 'function' && !isError(value));

describe.each([
  ['onnx-pruning', api],
  ['onnx-pruning/onnx', onnx],
  ['onnx-pruning/ops', ops],
])('%s', (_, module) => {
  it.each(functionsOf(module))(
    '%s answers wrong arguments with a typed error, or not at all',
    async (_name, callee) => {
      for (const args of WRONG) {
        const thrown = await thrownBy(callee, args);
        if (thrown !== undefined && !(thrown instanceof OnnxPruningError)) {
          throw new Error(`untyped for (${args.map((arg) => typeof arg).join(', ')})`, { cause: thrown });
        }
      }
    },
  );
});

/** For subclasses alone. */
const PROTECTED: ReadonlySet<string> = new Set(['memberScores', 'parameterScores']);

describe('methods', () => {
  const objects: readonly (readonly [string, () => object])[] = [
    ['DependencyGraph', graph],
    ['Group', () => [...graph().getAllGroups()][0]!],
    ['BasePruner', () => new api.BasePruner(model(), { importance })],
    ['GroupMagnitudeImportance', () => new api.GroupMagnitudeImportance()],
    ['Model', model],
    ['GraphBuilder', () => new GraphBuilder()],
    ['SoftPruning', () => api.softPrune(graph(), [])],
    ['RandomImportance', () => new api.RandomImportance()],
    ['GraphEditor', () => new onnx.GraphEditor(model())],
    ['GraphScope', () => new onnx.GraphScope(model().graph)],
    ['NumberBlocks', () => new onnx.NumberBlocks()],
    ['OperatorRegistry', () => new ops.OperatorRegistry(ops.standardOperators)],
    ['observers', () => Object.create(api.observers)],
  ];
  const methods = objects.flatMap(([type, make]) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(make()))
      .filter((name) => name !== 'constructor' && !PROTECTED.has(name))
      .filter(
        (name) => typeof Object.getOwnPropertyDescriptor(Object.getPrototypeOf(make()), name)?.value === 'function',
      )
      .map((name) => [type, name, make] as const),
  );

  it.each(methods)('%s.%s answers wrong arguments with a typed error, or not at all', async (_, name, make) => {
    for (const args of WRONG) {
      const target = make();
      const method = (...given: unknown[]): unknown => Reflect.apply(Reflect.get(target, name), target, given);
      const thrown = await thrownBy(method, args);
      if (thrown !== undefined && !(thrown instanceof OnnxPruningError)) {
        throw new Error(`untyped for (${args.map((arg) => typeof arg).join(', ')})`, { cause: thrown });
      }
    }
  });
});

describe('what is said', () => {
  const call = (work: () => unknown): unknown => work();
  const wrong = (value: unknown): never => value as never;

  it('of a model that is none', async () => {
    await expect(api.loadModel(wrong(5))).rejects.toThrow(
      'loadModel: the argument source is of the wrong kind: expected a string or bytes (a Uint8Array), found 5.',
    );
    expect(() => api.checkModel(wrong(undefined))).toThrow(
      'expected a model, as loadModel and GraphBuilder give it, found undefined',
    );
  });

  it('of a pruner without options', () => {
    expect(() => call(() => new api.BasePruner(model(), wrong(undefined)))).toThrow(
      'the pruner: the argument options is of the wrong kind: expected an object, found undefined.',
    );
  });

  it('of an option that has another name', () => {
    const misspelt = [
      ['pruning_ratio', 'pruningRatio'],
      ['ignored_layers', 'ignoredLayers'],
      ['prunningRatio', 'pruningRatio'],
      ['isomorfic', 'isomorphic'],
    ];
    for (const [given, meant] of misspelt) {
      expect(() => new api.BasePruner(model(), wrong({ importance, [given!]: 0.5 }))).toThrow(
        expect.objectContaining({ code: 'UNKNOWN_OPTION', message: expect.stringContaining(`Did you mean ${meant}?`) }),
      );
    }
    expect(() => graph().buildDependency(model(), wrong({ inputShape: {} }))).toThrow('Did you mean inputShapes?');
    expect(() => new api.GroupMagnitudeImportance(wrong({ reduction: 'mean' }))).toThrow(
      'Did you mean groupReduction?',
    );
  });

  it('of a layer of another model', () => {
    const [one, other] = [model(), model()];
    const of = expect.objectContaining({
      code: 'LAYER_OF_OTHER_MODEL',
      message: expect.stringContaining("the layer 'conv1' belongs to another model"),
    });
    const built = new api.DependencyGraph().buildDependency(one);
    expect(() => built.getPruningGroup(other.layer('conv1'), api.pruneConvOutChannels, [0])).toThrow(of);
    expect(() => new api.BasePruner(one, { importance, ignoredLayers: [other.layer('conv1')] })).toThrow(of);
  });

  it('of a pruning function that is none, and of channels that are no numbers', () => {
    expect(() => graph().getPruningGroup('conv1', wrong(Math.max), [0])).toThrow(
      'expected a pruning function, such as pruneConvOutChannels, found the function max',
    );
    expect(() => graph().getPruningGroup('conv1', api.pruneConvOutChannels, wrong(['0']))).toThrow(
      'expected a list: for each element a number, found a list of 1',
    );
  });
});
