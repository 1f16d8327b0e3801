/**
 * Checks a model against the rules of the ONNX specification (docs/IR.md) that everything else here relies on:
 * versions, names, scopes, order, and the size of tensors. It knows no operator, and does not check types or shapes.
 */
import { checkArguments, kinds } from './arguments.ts';
import { checkGraph, checkNodes, type GraphRules, Scope } from './check-graph.ts';
import { checkTensor } from './check-tensor.ts';
import { type ErrorDetails, InvalidModelError } from './errors.ts';
import { toNumber } from './int64.ts';
import { canonicalDomain, type Model } from './model.ts';
import { checkNesting } from './nesting.ts';
import type { FunctionProto, OperatorSetIdProto } from './proto.ts';
import { visitTensors } from './walk.ts';

/** Since this IR version a model must say which operator sets it uses. */
const FIRST_IR_WITH_OPSETS = 3;

/**
 * Checks the main graph with its subgraphs, the model's functions, and every tensor. Training graphs are not checked.
 * A subgraph may reuse a name of an outer graph, as onnxruntime allows.
 * @throws InvalidModelError for the first rule that is broken: no graph, output or opset import; a name defined twice or
 * not at all; a cycle; nodes out of order; a tensor whose content does not fit its dims; graphs or types nested more deeply
 * than a file can hold.
 */
export function checkModel(model: Model): void {
  checkArguments('checkModel', { model: [model, kinds.model] });
  checkNesting('ModelProto', model.proto);
  const fail = failer(model.path);
  checkOpsetImports(model, fail);
  const graph = model.graph;
  if (graph.output.length === 0) {
    fail('NO_OUTPUTS', 'The graph has no outputs', {
      repair: 'The file may have been cut short: copy or export it again.',
    });
  }
  checkGraph(graph, new Scope(), { fail, opsets: versions(model.proto.opsetImport) });
  for (const f of model.proto.functions) checkFunction(f, fail);
  visitTensors(model.proto, (tensor) => checkTensor(tensor, fail));
}

export type Fail = GraphRules['fail'];

function failer(path: string | undefined): Fail {
  return (code: string, what: string, details: ErrorDetails): never => {
    throw new InvalidModelError(code, what, path === undefined ? details : { path, ...details });
  };
}

function versions(imports: readonly OperatorSetIdProto[]): Map<string, number> {
  return new Map(imports.map((entry) => [canonicalDomain(entry.domain), toNumber(entry.version)]));
}

function checkOpsetImports(model: Model, fail: Fail): void {
  const { opsetImport, irVersion } = model.proto;
  if (opsetImport.length === 0 && toNumber(irVersion) >= FIRST_IR_WITH_OPSETS) {
    fail('NO_OPSET_IMPORT', 'The model imports no operator set', {
      repair: 'The file may have been cut short: copy or export it again.',
    });
  }
  const seen = new Set<string>();
  for (const { domain } of opsetImport) {
    const name = canonicalDomain(domain) || 'ai.onnx';
    if (seen.has(name)) {
      fail('DUPLICATE_OPSET_IMPORT', `The model imports operator set '${name}' twice`, {
        expected: 'one version per domain',
      });
    }
    seen.add(name);
  }
}

/** The body of a function sees the function's inputs only, and binds to the operator sets that the function imports. */
function checkFunction(f: FunctionProto, fail: Fail): void {
  const scope = new Scope();
  for (const input of f.input) scope.define(input, `an input of function '${f.name}'`);
  const rules: GraphRules = { fail, opsets: versions(f.opsetImport) };
  checkNodes(f.node, scope, rules);
  for (const output of f.output) {
    if (!scope.has(output)) {
      fail('UNDEFINED_VALUE', `An output of function '${f.name}' is not computed by its body`, { value: output });
    }
  }
}
