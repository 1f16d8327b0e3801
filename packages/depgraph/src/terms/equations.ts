/**
 * States the equations of every node and solves them by unification. The result says, for every axis of every value,
 * which term it is, and which nodes sum or compute statistics over an axis. What has no rule is fixed, with a reason.
 */
import { greatest, type Model, type NodeProto, toNumber } from '@onnx-pruning/onnx';
import type { Axes, Dim, EquationContext, OperatorRecord, Term, TermRole, ValueInfo } from '@onnx-pruning/ops';
import { ConstantPart } from '../shapes/constant-part.ts';
import { GraphNodeView, nodeLabel } from '../shapes/node-view.ts';
import {
  askRecord,
  contradiction,
  isSize,
  operatorName,
  opsetOf,
  type ShapeTable,
  whyNoRule,
} from '../shapes/shapes.ts';
import { computedWeightAxes } from './computed-weights.ts';
import type { Consumption, Mixing } from './consumption.ts';
import { distributionAxes } from './distributions.ts';
import { AxisLayouts } from './layout.ts';
import { type DimTerm, type Family, type FixedReason, forEachLeaf, sizeOf } from './term.ts';
import { TermUniverse } from './unify.ts';

export interface SolvedTerms {
  /** Where the terms live; further equations may be stated there before anything is pruned. */
  readonly universe: TermUniverse;
  /** Terms of every value whose rank is known, one per axis. */
  readonly axes: Map<string, readonly DimTerm[]>;
  /** Dimensions of which every group chooses its own channels. */
  readonly families: Family[];
  readonly consumptions: readonly Consumption[];
  readonly mixings: readonly Mixing[];
  /** What is computed from initializers and constants alone. */
  readonly constantPart: ConstantPart;
  /** Why the ranks of values are not known, where they are not. */
  readonly hidden: ReadonlyMap<string, FixedReason>;
  /** Where the channels of each leaf lie along an axis now. */
  readonly layouts: AxisLayouts;
}

export interface SolveOptions {
  /** Whether inputs and outputs may change, as those of a part of a model may. Default false. */
  readonly open?: boolean;
  /**
   * Whether channels may go over which a distribution (softmax) is taken that a constant reads by number, such as the
   * bins of a distribution focal loss. Default false: each of them has a meaning.
   */
  readonly pruneDistributions?: boolean;
  /**
   * Whether initializers may change that are inputs of the graph as well, which a caller may override (IR version 4 and
   * later). Default false: they belong to the interface of the model.
   */
  readonly pruneOverridable?: boolean;
}

/** Since this version of the format, initializers that are no inputs of the graph are constants. */
const OVERRIDABLE_IR = 4;

/** Solves the dim terms of a model whose shapes are inferred. */
export function solveTerms(model: Model, shapes: ShapeTable, options: SolveOptions = {}): SolvedTerms {
  const solver = new Solver(model, shapes);
  solver.stateNodes();
  if (!options.open) solver.freezeBoundary(options.pruneOverridable === true);
  if (!options.pruneDistributions) solver.freezeDistributions();
  solver.freezeComputedWeights();
  solver.freezeUnknownSizes();
  solver.freezeUnknownSums();
  const { universe, axes, consumptions, mixings, constantPart, hidden } = solver;
  return { universe, axes, families: [], consumptions, mixings, constantPart, hidden, layouts: new AxisLayouts() };
}

class Solver {
  readonly universe = new TermUniverse();
  readonly axes = new Map<string, readonly DimTerm[]>();
  readonly consumptions: Consumption[] = [];
  readonly mixings: Mixing[] = [];
  /** Why the rank of a value is not known. */
  readonly hidden = new Map<string, FixedReason>();
  readonly model: Model;
  readonly shapes: ShapeTable;
  readonly constantPart: ConstantPart;

  constructor(model: Model, shapes: ShapeTable) {
    this.model = model;
    this.shapes = shapes;
    this.constantPart = new ConstantPart(model, shapes);
  }

  stateNodes(): void {
    for (const node of byLevel(this.model.graph.node)) this.#stateNode(node);
    for (const { name, node } of capturedValues(this.model)) {
      const where = { node: nodeLabel(node), operator: node.opType ?? '' };
      this.freezeValue(name, { because: 'a body of this node uses it', ...where });
    }
  }

  /**
   * A size that only the run knows may be merged of channels and others (`heads * batch`). When everything is stated,
   * what no equation takes apart stays as it is.
   */
  freezeUnknownSizes(): void {
    const sizes = new Map<DimTerm, Dim>();
    for (const [name, axes] of this.axes) {
      axes.forEach((term, axis) => {
        if (typeof sizeOf(term, sizes) === 'number') return;
        const because = `the size of axis ${axis} of '${name}' is only known at run time`;
        forEachLeaf(term, (leaf) => {
          if (typeof leaf.size !== 'number') this.universe.freeze(leaf, { because });
        });
      });
    }
  }

  /** Channels that are summed over together with places that only the run can count: no reference could leave them out. */
  freezeUnknownSums(): void {
    for (const { node, value, axis } of [...this.consumptions, ...this.mixings]) {
      const term = this.axes.get(value)?.[axis];
      if (!term || typeof term.size === 'number') continue;
      const because = 'it is summed over together with sizes that are only known at run time';
      this.universe.freeze(term, { because, node: nodeLabel(node), operator: node.opType });
    }
  }

  /** Axes that kept weights depend on as a whole. */
  freezeComputedWeights(): void {
    for (const { term, reason } of computedWeightAxes(this.model.graph.node, this.constantPart, this))
      this.universe.freeze(term, reason);
  }

  /** Axes whose channels have a meaning each. */
  freezeDistributions(): void {
    const { node: nodes } = this.model.graph;
    const { axes, mixings, constantPart } = this;
    const found = distributionAxes({ nodes, axes, mixings, isConstant: (name) => constantPart.holds(name) });
    for (const { term, reason } of found) this.universe.freeze(term, reason);
  }

  /** The interface of the model stays: axes of graph inputs and outputs may not change. */
  freezeBoundary(pruneOverridable: boolean): void {
    const initializers = this.shapes.constants;
    const areOverridable = toNumber(this.model.proto.irVersion ?? 0) >= OVERRIDABLE_IR;
    for (const { name = '' } of this.model.graph.input) {
      if (!initializers.has(name)) {
        this.freezeValue(name, { because: `it is an axis of the graph input '${name}'` });
      } else if (areOverridable && !pruneOverridable) {
        const because = `it is an axis of the graph input '${name}', whose initializer callers may override; pruneOverridable (--prune-overridable) lets it go`;
        this.freezeValue(name, { because });
      }
    }
    for (const output of this.model.graph.output) {
      this.freezeValue(output.name ?? '', { because: `it is an axis of the graph output '${output.name}'` });
    }
  }

  #stateNode(node: NodeProto): void {
    const record = this.shapes.records.get(node);
    const shown = this.shapes.vectors.node(node);
    const inputs = shown.input.map((name) => (name === '' ? undefined : this.shapes.values.get(name)));
    const outputs = node.output.map((name) => (name === '' ? undefined : this.shapes.values.get(name)));
    const unknown = [...shown.input, ...node.output].find((name) => name && !this.shapes.values.get(name)?.dims);
    const where = { node: nodeLabel(node), operator: operatorName(node) };
    if (record && record.refusal === undefined && unknown === undefined) {
      askRecord(node, () => record.equations(new Equations(this, { node, shown, inputs, outputs, where })));
      return;
    }
    const reason = this.#whyUnstated(node, record, unknown, where);
    for (const name of [...shown.input, ...node.output]) this.freezeValue(name, reason);
    for (const name of node.output) if (!this.shapes.values.get(name)?.dims) this.hidden.set(name, reason);
  }

  /**
   * Why no equations are stated for a node. Where a shape is unknown because of a node further up, that node is the
   * cause for everything behind it, and stating the shape would help.
   */
  #whyUnstated(
    node: NodeProto,
    record: OperatorRecord | undefined,
    unknown: string | undefined,
    where: Omit<FixedReason, 'because'>,
  ): FixedReason {
    const cause = unknown === undefined ? undefined : this.hidden.get(unknown);
    if (cause) return cause.behind ? cause : { ...cause, because: `${cause.because}; ${BEHIND}`, behind: true };
    if (record?.refusal !== undefined) return { because: record.refusal, ...where };
    if (record) return { because: `the shape of '${unknown}' is only known at run time`, ...where };
    return { because: whyNoRule(this.model, node), ...where };
  }

  freezeValue(name: string, reason: FixedReason): void {
    for (const term of this.axesOf(name)) this.universe.freeze(term, reason);
  }

  /** Terms of a value; made when it is first met. Empty where its rank is unknown or it is absent. */
  axesOf(name: string | undefined): readonly DimTerm[] {
    if (!name) return [];
    const known = this.axes.get(name);
    if (known) return known;
    const dims = this.shapes.values.get(name)?.dims;
    if (!dims) return [];
    const isEmpty = this.shapes.constants.has(name) && dims.includes(0);
    const made = dims.map((size) => {
      if (isEmpty) return this.universe.fixed(size, { because: `'${name}' has no elements` });
      return typeof size === 'number' && size > LONGEST_AXIS
        ? this.universe.fixed(size, { because: `an axis of '${name}' has more than ${LONGEST_AXIS} places` })
        : this.universe.leaf(size);
    });
    this.axes.set(name, made);
    return made;
  }
}

/** Longer axes hold no channels; whatever lists the places along one would take all memory there is. */
const LONGEST_AXIS = 2 ** 24;

/** What helps where a shape is not known. */
const BEHIND =
  'no shapes are known behind it: state them in the value_info of the model, or teach the operator (customizedOperators)';

interface StatedNode {
  readonly node: NodeProto;
  readonly shown: NodeProto;
  readonly inputs: readonly (ValueInfo | undefined)[];
  readonly outputs: readonly (ValueInfo | undefined)[];
  readonly where: Omit<FixedReason, 'because'>;
}

class Equations extends GraphNodeView implements EquationContext {
  readonly outputs: readonly (ValueInfo | undefined)[];
  readonly #solver: Solver;
  /** The node of the model; `node` shows it with vectors of its own. */
  readonly #live: NodeProto;
  readonly #where: Omit<FixedReason, 'because'>;

  constructor(solver: Solver, { node, shown, inputs, outputs, where }: StatedNode) {
    super(shown, opsetOf(solver.model, node), inputs, solver.shapes.constants);
    this.#solver = solver;
    this.#live = node;
    this.outputs = outputs;
    this.#where = where;
  }

  in(i: number): Axes {
    return this.#solver.axesOf(this.node.input[i]);
  }

  out(i: number): Axes {
    return this.#solver.axesOf(this.node.output[i]);
  }

  equal(a: Term, b: Term): void {
    this.#solver.universe.unify(this.#given(a), this.#given(b), this.#where);
  }

  sum(parts: readonly Term[]): Term {
    return this.#solver.universe.sum(parts.map((part) => this.#given(part)));
  }

  product(factors: readonly Term[]): Term {
    return this.#solver.universe.product(factors.map((factor) => this.#given(factor)));
  }

  leaf(size: Dim, role?: TermRole): Term {
    return this.#solver.universe.leaf(this.#counted(size), role);
  }

  fixed(size: Dim, reason: string): Term {
    return this.#solver.universe.fixed(this.#counted(size), { because: reason, ...this.#where });
  }

  freeze(term: Term, reason: string): void {
    this.#solver.universe.freeze(this.#given(term), { because: reason, ...this.#where });
  }

  consumes(input: number, axis: number): void {
    this.#solver.consumptions.push(this.#at(input, axis));
  }

  mixes(input: number, axis: number, statistic: string): void {
    this.#solver.mixings.push({ ...this.#at(input, axis), statistic, isDistribution: false });
  }

  distributes(input: number, axis: number, statistic: string): void {
    this.#solver.mixings.push({ ...this.#at(input, axis), statistic, isDistribution: true });
  }

  /** Records name axes by their numbers: one that is not there means a value of another rank than the operator has. */
  #given(term: Term | undefined): DimTerm {
    if (term !== undefined) return term as DimTerm;
    const ranks = [...this.inputs, ...this.outputs].map((info) => (info?.dims ? `${info.dims.length}-D` : 'none'));
    throw contradiction(
      this.#live,
      this.opset,
      'values with as many axes as the operator is defined for',
      ranks.join(', '),
    );
  }

  #counted(size: Dim): Dim {
    if (isSize(size)) return size;
    throw contradiction(
      this.#live,
      this.opset,
      'attributes and sizes that divide each other',
      `a part of ${size} channels`,
    );
  }

  #at(input: number, axis: number): Consumption {
    return { node: this.#live, input, axis, value: this.node.input[input] ?? '' };
  }
}

/**
 * Nodes by their distance from the inputs, then by name. Equations may be stated in any order, but where they contradict
 * each other what is given up depends on it: so it must not be the order in which the file happens to list the nodes.
 */
function byLevel(nodes: readonly NodeProto[]): NodeProto[] {
  const levels = new Map<string, number>();
  const leveled = nodes.map((node) => {
    const level = greatest([0, ...node.input.map((name) => levels.get(name) ?? 0)]) + 1;
    for (const name of node.output) levels.set(name, level);
    return { node, level, name: node.output.find((output) => output !== '') ?? '' };
  });
  const order = (a: (typeof leveled)[0], b: (typeof leveled)[0]): number =>
    a.level - b.level || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  return leveled.sort(order).map(({ node }) => node);
}

/** Values of the main graph that subgraphs (If, Loop, Scan bodies) use by name. */
function* capturedValues(model: Model): Generator<{ name: string; node: NodeProto }> {
  for (const node of model.graph.node) {
    const graphs = (node.attribute ?? []).flatMap((attribute) => [attribute.g, ...(attribute.graphs ?? [])]);
    for (const graph of graphs) {
      if (!graph) continue;
      const stack = [graph];
      for (let inner = stack.pop(); inner; inner = stack.pop()) {
        for (const output of inner.output) yield { name: output.name ?? '', node };
        for (const innerNode of inner.node) {
          for (const name of innerNode.input) yield { name, node };
          for (const attribute of innerNode.attribute ?? []) {
            if (attribute.g) stack.push(attribute.g);
            for (const body of attribute.graphs ?? []) stack.push(body);
          }
        }
      }
    }
  }
}
