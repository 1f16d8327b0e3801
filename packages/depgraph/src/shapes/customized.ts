/** The records that a model is read with: the standard ones and those that a user brings. States no rule itself. */
import { type OperatorRecord, OperatorRegistry, standardOperators } from '@onnx-pruning/ops';

/**
 * A registry of standard operators; customized records take the place of standard ones for the same operator.
 * @throws DuplicateOperatorError where two customized records cover the same opset of an operator
 */
export function registryWith(customized: readonly OperatorRecord[] = []): OperatorRegistry {
  const replaced = new Set(customized.map((record) => `${record.domain}::${record.opType}`));
  const standard = standardOperators.filter((record) => !replaced.has(`${record.domain}::${record.opType}`));
  return new OperatorRegistry([...customized, ...standard]);
}
