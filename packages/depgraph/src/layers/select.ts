/**
 * Turns what users call layers by (layers, names, module paths, patterns) into layers with channels of their own. All
 * options that name layers go through here. Which names a node has is known in packages/onnx.
 */
import {
  ambiguousLayer,
  checkArgument,
  howNameFits,
  isPattern,
  type Kind,
  kinds,
  type Layer,
  listNames,
  type Model,
  type NodeMatch,
  NodeNames,
  type NodeProto,
  nearestNames,
  type TensorProto,
  unknownLayer,
} from '@onnx-pruning/onnx';
import type { LayerKind } from '@onnx-pruning/ops';
import { nodeLabel } from '../shapes/node-view.ts';
import { find } from '../terms/term.ts';
import { LayerError, notALayer, type PrunableLayer } from './layers.ts';

/** Names layers: a layer, one of its names, a module that holds it, or a pattern. */
export type LayerSelector = Layer | string;

/** A layer that a selector means, and the name of it that matched. */
export interface LayerMatch {
  /** A layer with channels of its own. */
  readonly layer: PrunableLayer;
  /** The one of its names that the selector fits: a node, an output, a module path. */
  readonly name: string;
}

/** Layers that take the channels they are given: they are meant only where a selector names them themselves. */
const FOLLOWING: ReadonlySet<LayerKind> = new Set(['batchnorm', 'layernorm', 'groupnorm', 'instancenorm', 'prelu']);

const SELECTOR: Kind = {
  expected: 'the name of a layer, or a layer as model.layer(name) gives it',
  accepts: (value) => typeof value === 'string' || (kinds.object.accepts(value) && 'node' in (value as object)),
};

function ofAnotherModel({ name, node }: Layer): LayerError {
  return new LayerError('LAYER_OF_OTHER_MODEL', `the layer '${name}' belongs to another model`, {
    node: name,
    operator: node.opType,
    repair: 'Take the layer from the model that is pruned (a clone has layers of its own), or give its name.',
  });
}

/** Finds the layers of one analysed model. The index of names is built when it is first needed. */
export class LayerSelection {
  readonly #model: Model;
  readonly #layers: readonly PrunableLayer[];
  readonly #byNode: ReadonlyMap<NodeProto, PrunableLayer>;
  readonly #byName = new Map<string, PrunableLayer>();
  readonly #unwrapped: ReadonlySet<PrunableLayer>;
  readonly #constants: ReadonlyMap<string, TensorProto>;
  #names: NodeNames | undefined;
  #biased: ReadonlyMap<PrunableLayer, PrunableLayer> | undefined;

  /** @param layers all layers; those of bare parameters, which have their own names, are the last `unwrapped` ones */
  constructor(
    model: Model,
    layers: readonly PrunableLayer[],
    layerOf: ReadonlyMap<NodeProto, PrunableLayer>,
    unwrapped: number,
    constants: ReadonlyMap<string, TensorProto>,
  ) {
    this.#model = model;
    this.#layers = layers;
    this.#byNode = layerOf;
    this.#constants = constants;
    this.#unwrapped = new Set(unwrapped > 0 ? layers.slice(-unwrapped) : []);
    for (const layer of layers) this.#byName.set(layer.name, layer);
  }

  /**
   * The layers that a selector means, in graph order.
   * - The name of a node or of an output means that node.
   * - The path of a module, as node names, output names, names of initializers or the exporter's metadata have it, means
   *   all layers in it; `.` and `/` between its parts are the same.
   * - In a pattern `*` stands for any characters, separators included, and `?` for one.
   *
   * Meant are layers that make channels (convolutions, fully connected and recurrent layers, attention, embeddings,
   * bare parameters of `unwrappedParameters`). Where there are none, normalizations that the selector itself names.
   * @throws UnknownLayerError where nothing has such a name; LayerError where only nodes without channels of their own have
   */
  match(selector: LayerSelector): LayerMatch[] {
    checkArgument('a selection of layers', 'layer', selector, SELECTOR);
    if (typeof selector !== 'string') return [{ layer: this.#handedOver(selector), name: selector.name }];
    const exact = this.#index.exact(selector);
    const direct = this.#meant(exact, selector);
    if (direct.length > 0) return direct;
    const within = this.#index.within(selector);
    const found = this.#meant(within, selector);
    if (found.length > 0) return found;
    const named = this.#byName.get(selector);
    if (named && this.#makesChannels(named)) return [{ layer: named, name: selector }];
    const matches = [...exact, ...within];
    const nodes = [...new Set(matches.map(({ node }) => node))];
    throw nodes.length > 0 ? this.#nothingOfItsOwn(selector, nodes) : unknownLayer(selector, this.#knownNames());
  }

  /**
   * The one layer that a selector means; a layer's own name comes first, whatever it is.
   * @throws AmbiguousLayerError where it means several; as `match` otherwise
   */
  one(selector: LayerSelector): PrunableLayer {
    checkArgument('a selection of layers', 'layer', selector, SELECTOR);
    if (typeof selector !== 'string') return this.#prunable(selector);
    const named = this.#byName.get(selector);
    if (named) return named;
    const [exact, ...others] = this.#index.exact(selector);
    if (exact && others.length === 0) return this.#prunable({ model: this.#model, node: exact.node, name: selector });
    const found = this.match(selector);
    if (found.length === 1) return found[0].layer;
    throw ambiguousLayer(
      selector,
      found.map(({ layer }) => layer.name),
    );
  }

  /** The layers that the key of an option means: one, or those of a pattern. @throws as `one` and `match` */
  keyed(key: string): PrunableLayer[] {
    const isName = !isPattern(key) || this.#byName.has(key);
    return isName ? [this.one(key)] : this.match(key).map(({ layer }) => layer);
  }

  get #index(): NodeNames {
    this.#names ??= new NodeNames(this.#model.graph);
    return this.#names;
  }

  #prunable(base: Layer): PrunableLayer {
    const named = this.#byName.get(base.name);
    if (named && named.node === base.node) return named;
    const found = this.#byNode.get(base.node);
    if (found) return found;
    throw base.model === this.#model ? notALayer(base) : ofAnotherModel(base);
  }

  /** A layer that was given as such: itself, or the layer whose bias it adds. */
  #handedOver(base: Layer): PrunableLayer {
    const layer = this.#prunable(base);
    const maker = this.#biasOf(layer) ?? layer;
    if (this.#makesChannels(maker) || FOLLOWING.has(maker.spec.kind)) return maker;
    throw this.#nothingOfItsOwn(base.name, [base.node]);
  }

  #makesChannels(layer: PrunableLayer): boolean {
    const { kind } = layer.spec;
    return this.#unwrapped.has(layer) || (kind !== 'parameter' && !FOLLOWING.has(kind));
  }

  #meant(matches: readonly NodeMatch[], selector: string): LayerMatch[] {
    const own = new Map<PrunableLayer, string>();
    const following = new Map<PrunableLayer, string>();
    for (const { node, name, how } of matches) {
      const layer = this.#byNode.get(node);
      const maker = layer && (this.#biasOf(layer) ?? layer);
      if (!maker) continue;
      if (this.#makesChannels(maker)) own.set(maker, own.get(maker) ?? name);
      else if (FOLLOWING.has(maker.spec.kind) && how !== 'below') following.set(maker, name);
    }
    for (const layer of this.#bareParameters(selector)) own.set(layer, layer.name);
    return [...(own.size > 0 ? own : following)].map(([layer, name]) => ({ layer, name }));
  }

  #bareParameters(selector: string): PrunableLayer[] {
    return [...this.#unwrapped].filter(({ name }) => howNameFits(selector, name) !== undefined);
  }

  /** The layer in front of an addition of a vector: to its users both are one fully connected layer. */
  #biasOf(layer: PrunableLayer): PrunableLayer | undefined {
    this.#biased ??= this.#findBiases();
    return this.#biased.get(layer);
  }

  #findBiases(): Map<PrunableLayer, PrunableLayer> {
    const makers = new Map<string, PrunableLayer>();
    for (const layer of this.#layers) {
      if (this.#makesChannels(layer) && !this.#unwrapped.has(layer)) makers.set(layer.node.output[0] ?? '', layer);
    }
    const biased = new Map<PrunableLayer, PrunableLayer>();
    for (const layer of this.#layers) {
      const maker = layer.node.input.map((input) => makers.get(input)).find((found) => found !== undefined);
      if (maker && this.#isBiasOf(layer, maker)) biased.set(layer, maker);
    }
    return biased;
  }

  #isBiasOf({ spec, axes }: PrunableLayer, maker: PrunableLayer): boolean {
    const [bias] = axes;
    if (spec.kind !== 'parameter' || !bias) return false;
    const isVector = this.#constants.get(bias.parameters[0]?.tensor ?? '')?.dims.length === 1;
    const made = maker.axes.find(({ side }) => side === 'out');
    const adds = bias.parameters.every(({ role }) => role === 'bias');
    return isVector && adds && made !== undefined && find(made.term) === find(bias.term);
  }

  #nothingOfItsOwn(selector: string, nodes: readonly NodeProto[]): LayerError {
    const makers = this.#layers.filter((layer) => this.#makesChannels(layer)).map(({ name }) => name);
    const near = nearestNames(selector, makers);
    return new LayerError('NOT_PRUNABLE', 'nothing of that name is a layer with channels of its own', {
      node: selector,
      expected: 'a convolution, a fully connected layer or another layer that makes channels',
      actual: listNames(nodes.map((node) => `${node.opType} ${nodeLabel(node)}`)),
      repair: near.length > 0 ? `Name a layer, such as ${listNames(near)}.` : 'The model has no such layers.',
    });
  }

  /** What a selector could have meant: the layers and the modules that hold them. */
  #knownNames(): Set<string> {
    const known = new Set<string>();
    for (const { name } of this.#layers) {
      known.add(name);
      for (let at = name.lastIndexOf('.'); at > 0; at = name.lastIndexOf('.', at - 1)) known.add(name.slice(0, at));
    }
    return known;
  }
}
