/** Sizes of windows, worked out by hand from the formulas of the ONNX operator specification. */
import { slidingSize, transposedSize, type Window } from '../src/spatial.ts';

function window(kernel: number, changes: Partial<Window> = {}): Window {
  return { kernel, stride: 1, dilation: 1, padBegin: 0, padEnd: 0, autoPad: 'NOTSET', ...changes };
}

describe('windows that slide (Conv and pooling)', () => {
  it('floor((input + pads - extent) / stride) + 1', () => {
    expect(slidingSize(224, window(7, { stride: 2, padBegin: 3, padEnd: 3 }))).toBe(112); // 223 / 2 = 111.5
    expect(slidingSize(112, window(3, { stride: 2, padBegin: 1, padEnd: 1 }))).toBe(56); // 111 / 2 = 55.5
    expect(slidingSize(7, window(7))).toBe(1);
    expect(slidingSize(8, window(3, { padBegin: 1, padEnd: 0 }))).toBe(7);
  });

  it('a dilated kernel reaches over (kernel - 1) * dilation + 1 elements', () => {
    expect(slidingSize(10, window(3, { dilation: 3 }))).toBe(4); // extent 7
    expect(slidingSize(10, window(3, { dilation: 3, padBegin: 3, padEnd: 3 }))).toBe(10);
  });

  it('SAME gives ceil(input / stride) whatever the kernel, explicit pads being ignored', () => {
    const same = { autoPad: 'SAME', padBegin: 9, padEnd: 9 } as const;
    expect(slidingSize(7, window(3, { stride: 2, ...same }))).toBe(4);
    expect(slidingSize(8, window(3, { stride: 2, ...same }))).toBe(4);
    expect(slidingSize(5, window(1, { stride: 3, ...same }))).toBe(2);
  });

  it('VALID ignores explicit pads', () => {
    expect(slidingSize(7, window(3, { autoPad: 'VALID', padBegin: 9, padEnd: 9 }))).toBe(5);
  });

  it('ceil mode adds the last partial window', () => {
    expect(slidingSize(6, window(3, { stride: 2 }), 'floor')).toBe(2);
    expect(slidingSize(6, window(3, { stride: 2 }), 'ceil')).toBe(3);
    expect(slidingSize(7, window(3, { stride: 2 }), 'ceil')).toBe(3);
  });

  it('ceil mode leaves out a last window that would start in the padding on the right', () => {
    // ceil((4 + 1 - 2) / 2) + 1 = 3 windows, of which the third starts at element 4 of an input of 4.
    expect(slidingSize(4, window(2, { stride: 2, padEnd: 1 }), 'ceil')).toBe(2);
    // ceil((2 + 2 - 2) / 3) + 1 = 2 windows; the second starts at 3 = input + left padding.
    expect(slidingSize(2, window(2, { stride: 3, padBegin: 1, padEnd: 1 }), 'ceil')).toBe(1);
  });

  it('is below 1 where not even one window fits', () => {
    expect(slidingSize(2, window(5))).toBeLessThan(1);
  });
});

describe('transposed windows (ConvTranspose)', () => {
  it('stride * (input - 1) + output_padding + extent - pads', () => {
    expect(transposedSize(5, window(3, { stride: 2 }), 0)).toBe(11);
    expect(transposedSize(5, window(3, { stride: 2, padBegin: 1, padEnd: 1 }), 1)).toBe(10);
    expect(transposedSize(5, window(3, { stride: 2, dilation: 2 }), 0)).toBe(13);
  });

  it('SAME pads down to input * stride, and cannot pad up', () => {
    expect(transposedSize(5, window(3, { stride: 2, autoPad: 'SAME' }), 0)).toBe(10);
    expect(transposedSize(5, window(3, { stride: 2, autoPad: 'SAME' }), 1)).toBe(10);
    expect(transposedSize(5, window(2, { stride: 3, autoPad: 'SAME' }), 0)).toBe(14);
  });

  it('VALID does not pad', () => {
    expect(transposedSize(5, window(3, { stride: 2, autoPad: 'VALID', padBegin: 9, padEnd: 9 }), 0)).toBe(11);
  });

  it('undoes a sliding window of the same stride and padding', () => {
    for (const stride of [1, 2, 3]) {
      for (const kernel of [3, 4, 5]) {
        const w = window(kernel, { stride, padBegin: 1, padEnd: 1 });
        for (let input = 4; input < 12; input++) expect(slidingSize(transposedSize(input, w, 0), w)).toBe(input);
      }
    }
  });
});
