/** The model as users hold it: a thin wrapper of the ModelProto, which stays the single source of truth. */
import { checkArguments, kinds } from './arguments.ts';
import { cloneProto } from './clone.ts';
import { InvalidModelError } from './errors.ts';
import { findLayer } from './find-layer.ts';
import { toNumber } from './int64.ts';
import { layerNames } from './layer-names.ts';
import { checkNesting } from './nesting.ts';
import type { GraphProto, ModelProto, NodeProto } from './proto.ts';

/** A node under the name by which users address it. */
export interface Layer {
  /** The model that the node is in: functions that take layers refuse those of another one. */
  readonly model: Model;
  /** The node itself, not a copy: pruning changes it. */
  readonly node: NodeProto;
  /** Common prefix of the node's initializers if it has one, else the node's name, else its first output. */
  readonly name: string;
}

/** `ai.onnx` and the empty string name the same domain; this is the empty one. */
export const canonicalDomain = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));

/** An ONNX model: its messages, where it came from, and its layers by name. `loadModel` and `parseModel` make them. */
export class Model {
  /** The messages of the file. Edit them with `GraphEditor`, or as plain objects before a dependency graph is built. */
  readonly proto: ModelProto;
  /** The file the model was loaded from, as an absolute path; undefined for models from bytes or code. */
  readonly path: string | undefined;

  /** Real paths of the files that hold the model's external data. */
  readonly dataFiles: readonly string[];

  constructor(proto: ModelProto, path?: string, dataFiles: readonly string[] = []) {
    checkArguments('new Model', { proto: [proto, kinds.object] });
    this.proto = proto;
    this.path = path;
    this.dataFiles = dataFiles;
  }

  /** The main graph. @throws InvalidModelError when the model has none. */
  get graph(): GraphProto {
    if (this.proto.graph !== undefined) return this.proto.graph;
    throw new InvalidModelError('NO_GRAPH', 'The model has no graph', { ...(this.path && { path: this.path }) });
  }

  /** Version of a domain's operator set that the model imports; 0 when it imports none. `''` is `ai.onnx`. */
  opset(domain = ''): number {
    const wanted = canonicalDomain(domain);
    const imported = this.proto.opsetImport.find((entry) => canonicalDomain(entry.domain) === wanted);
    return imported === undefined ? 0 : toNumber(imported.version);
  }

  /**
   * The layer of that name: a node name, an output name, the common dotted prefix of a node's initializers
   * (`layer1.0.conv1`), or the path of a module with one layer, as node names (`/layer1/layer1.0/conv1/Conv`), output
   * names, names of initializers or the exporter's metadata have it, with `.` or `/` between its parts.
   * @throws UnknownLayerError that suggests the nearest names; AmbiguousLayerError for a module with several layers.
   */
  layer(name: string): Layer {
    checkArguments('model.layer', { name: [name, kinds.text] });
    const node = findLayer(this.graph, name);
    return { model: this, node, name: layerNames(this.graph).get(node) ?? name };
  }

  /** All nodes of the main graph, in graph order. */
  layers(): Layer[] {
    return [...layerNames(this.graph)].map(([node, name]) => ({ model: this, node, name }));
  }

  /** A model that can be changed without changing this one. Tensor bytes are shared: replace them, do not write to them. */
  clone(): Model {
    checkNesting('ModelProto', this.proto);
    return new Model(cloneProto(this.proto), this.path, this.dataFiles);
  }
}
