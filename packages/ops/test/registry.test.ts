import { NEWEST_OPSET, OLDEST_OPSET } from '../src/opsets.ts';
import { noLayer, noMacs, noOverhead, nothing, type OperatorRecord } from '../src/record.ts';
import { DuplicateOperatorError, OperatorRegistry } from '../src/registry.ts';
import { standardOperators } from '../src/standard.ts';

function record(opType: string, first: number, last: number, domain = ''): OperatorRecord {
  const rules = {
    infer: () => [],
    equations: nothing,
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };
  return { domain, opType, opsets: [first, last], ...rules };
}

describe('OperatorRegistry', () => {
  const registry = new OperatorRegistry([
    record('Split', 13, 17),
    record('Split', 7, 12),
    record('Foo', 1, 2, 'com.acme'),
  ]);

  it('finds the record whose opsets hold the one asked for', () => {
    expect(registry.find('', 'Split', 7)?.opsets).toEqual([7, 12]);
    expect(registry.find('', 'Split', 12)?.opsets).toEqual([7, 12]);
    expect(registry.find('', 'Split', 13)?.opsets).toEqual([13, 17]);
  });

  it('finds nothing outside them: an operator is never treated like an older version of itself', () => {
    expect(registry.find('', 'Split', 18)).toBeUndefined();
    expect(registry.find('', 'Split', 6)).toBeUndefined();
    expect(registry.find('', 'Foo', 1)).toBeUndefined();
    expect(registry.find('com.acme', 'Foo', 1)).toBeDefined();
  });

  it('knows ai.onnx by both of its names', () => {
    expect(registry.find('ai.onnx', 'Split', 9)).toBe(registry.find('', 'Split', 9));
  });

  it('lists records by domain, operator and opset', () => {
    const listed = registry.supported().map(({ domain, opType, opsets }) => `${domain}:${opType}-${opsets[0]}`);
    expect(listed).toEqual([':Split-7', ':Split-13', 'com.acme:Foo-1']);
  });

  it('refuses two records for the same opset', () => {
    const twice = () => new OperatorRegistry([record('Split', 7, 13), record('Split', 13, 17)]);
    expect(twice).toThrow(DuplicateOperatorError);
    expect(twice).toThrow('::Split');
    const aliased = () => new OperatorRegistry([record('Split', 7, 13), record('Split', 7, 13, 'ai.onnx')]);
    expect(aliased).toThrow(DuplicateOperatorError);
  });
});

describe('standardOperators', () => {
  it('register without overlap', () => {
    expect(new OperatorRegistry(standardOperators).supported()).toHaveLength(standardOperators.length);
  });

  it('cover the opsets of an operator without a gap, up to the newest that runs or the one that replaced it', () => {
    const replaced: Readonly<Record<string, number>> = { Scatter: 10, Upsample: 9 };
    const standard = new OperatorRegistry(standardOperators).supported().filter(({ domain }) => domain === '');
    for (const opType of new Set(standard.map((operator) => operator.opType))) {
      const ranges = standard.filter((operator) => operator.opType === opType);
      const opsets = ranges.map((operator) => operator.opsets);
      opsets.slice(1).forEach((range, i) => {
        expect([opType, range[0]]).toEqual([opType, opsets[i]![1] + 1]);
      });
      expect([opType, opsets.at(-1)![1]]).toEqual([opType, replaced[opType] ?? NEWEST_OPSET]);
      expect(opsets[0]![0]).toBeGreaterThanOrEqual(OLDEST_OPSET);
    }
  });

  it('cover the one opset that there is of com.microsoft, and no other domain', () => {
    const others = standardOperators.filter(({ domain }) => domain !== '');
    expect(new Set(others.map(({ domain }) => domain))).toEqual(new Set(['com.microsoft']));
    expect(others.filter(({ opsets }) => opsets[0] !== 1 || opsets[1] !== 1)).toEqual([]);
  });
});
