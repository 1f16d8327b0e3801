/**
 * Finds the one record that is right for a node, by domain, operator and opset. It never guesses: an operator or opset
 * without a record is undefined, and its axes are frozen by the engine. It knows no operator itself.
 */
import { checkArgument, checkArguments, kinds, listOf, OnnxPruningError } from '@onnx-pruning/onnx';
import type { OperatorRecord } from './record.ts';

/** Two records claim the same operator at the same opset. */
export class DuplicateOperatorError extends OnnxPruningError {}

function normalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function keyOf(domain: string, opType: string): string {
  return `${normalDomain(domain)}::${opType}`;
}

function overlap(a: OperatorRecord, b: OperatorRecord): boolean {
  return a.opsets[0] <= b.opsets[1] && b.opsets[0] <= a.opsets[1];
}

/** Operator records by domain, type and opset. */
export class OperatorRegistry {
  private readonly records = new Map<string, OperatorRecord[]>();

  /** @throws DuplicateOperatorError where two records cover the same opset of an operator. */
  constructor(records: readonly OperatorRecord[]) {
    checkArguments('new OperatorRegistry', { records: [records, listOf(kinds.object)] });
    for (const record of records) this.#add(record);
  }

  /** The record for an operator at an opset of its domain; undefined when there is none. */
  find(domain: string, opType: string, opset: number): OperatorRecord | undefined {
    checkArgument('find', 'domain', domain, kinds.text);
    checkArgument('find', 'opType', opType, kinds.text);
    const candidates = this.records.get(keyOf(domain, opType));
    return candidates?.find(({ opsets }) => opsets[0] <= opset && opset <= opsets[1]);
  }

  /** All records, by domain, then operator, then opset. */
  supported(): OperatorRecord[] {
    const keys = [...this.records.keys()].sort();
    return keys.flatMap((key) => [...this.records.get(key)!].sort((a, b) => a.opsets[0] - b.opsets[0]));
  }

  #add(record: OperatorRecord): void {
    const key = keyOf(record.domain, record.opType);
    const others = this.records.get(key) ?? [];
    const clash = others.find((other) => overlap(other, record));
    if (clash) throw duplicate(record, clash);
    this.records.set(key, [...others, record]);
  }
}

function duplicate(record: OperatorRecord, other: OperatorRecord): DuplicateOperatorError {
  return new DuplicateOperatorError('OPERATOR_REGISTERED_TWICE', 'two records cover the same opsets of an operator', {
    operator: keyOf(record.domain, record.opType),
    expected: `opsets outside ${other.opsets.join(' to ')}`,
    actual: `opsets ${record.opsets.join(' to ')}`,
    repair: 'Give each record a range of its own, or leave one of them out.',
  });
}
