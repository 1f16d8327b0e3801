import * as ort from 'onnxruntime-node';
import { encodeModel, GraphBuilder, irVersionOf, NEWEST_IR_VERSION, NEWEST_OPSET } from '../src/index.ts';

async function isAccepted(opset: number, irVersion: number): Promise<boolean> {
  const b = new GraphBuilder({ opset, irVersion });
  b.output(b.node('Relu', [b.input('x', [1])]), [1]);
  return ort.InferenceSession.create(encodeModel(b.build()), { logSeverityLevel: 4 }).then(
    () => true,
    () => false,
  );
}

describe('the newest versions are those of onnxruntime-node', () => {
  it('IR', async () => {
    expect(await isAccepted(17, NEWEST_IR_VERSION)).toBe(true);
    expect(await isAccepted(17, NEWEST_IR_VERSION + 1)).toBe(false);
  });

  it('opset of ai.onnx', async () => {
    expect(await isAccepted(NEWEST_OPSET, NEWEST_IR_VERSION)).toBe(true);
    expect(await isAccepted(NEWEST_OPSET + 1, NEWEST_IR_VERSION)).toBe(false);
  });

  it('every opset has an IR version that onnxruntime accepts it with', async () => {
    for (let opset = 7; opset <= NEWEST_OPSET; opset++) expect(await isAccepted(opset, irVersionOf(opset))).toBe(true);
  });
});

describe('irVersionOf', () => {
  it('is the table of released versions in ONNX Versioning.md', () => {
    const released = {
      9: 4,
      10: 5,
      11: 6,
      12: 7,
      14: 7,
      15: 8,
      18: 8,
      19: 9,
      20: 9,
      21: 10,
      22: 10,
      23: 11,
      24: 12,
      25: 13,
    };
    for (const [opset, ir] of Object.entries(released)) expect(irVersionOf(Number(opset))).toBe(ir);
  });
});
