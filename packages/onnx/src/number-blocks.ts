/**
 * Reads long tensors as numbers, block by block. The content of a protobuf file is seldom aligned; where readNumbers
 * copies all of it, this copies one block at a time through the same small buffer; content that lies in a file is read
 * into it, and is never in memory as a whole.
 */
import { checkArguments, kinds } from './arguments.ts';
import { asArray, type Numbers } from './content/bytes.ts';
import { type Content, StoredBytes } from './content/stored-bytes.ts';
import { DataType } from './data-type.ts';
import type { TensorProto } from './proto.ts';
import { checkedContent, readNumbers } from './tensor-view.ts';

/** Elements that are read from a file at once, if blocks are shorter. */
const READ_AT_ONCE = 2 ** 16;

export class NumberBlocks {
  #buffer = new Float32Array(0);

  /**
   * Calls `visit` with all elements in row-major order, at most `length` at a time.
   * @param visit gets a block, which is overwritten afterwards, and the index of its first element
   * @throws TensorError as `readNumbers`
   */
  forEach(t: TensorProto, length: number, visit: (block: Numbers, from: number) => void): void {
    checkArguments('forEach', {
      tensor: [t, kinds.tensor],
      length: [length, kinds.positive],
      visit: [visit, kinds.callback],
    });
    if (t.dataType === DataType.FLOAT) this.#forEachOfFloats(checkedContent(t), length, visit);
    else {
      const numbers = readNumbers(t);
      for (let from = 0; from < numbers.length; from += length) visit(numbers.subarray(from, from + length), from);
    }
  }

  #forEachOfFloats(content: Content, length: number, visit: (block: Numbers, from: number) => void): void {
    const width = Float32Array.BYTES_PER_ELEMENT;
    const size = content.length / width;
    // Every read from a file costs a call, so several blocks are read at once.
    const blocks = content instanceof StoredBytes ? Math.max(1, Math.floor(READ_AT_ONCE / length)) : 1;
    const most = Math.min(length * blocks, size);
    if (this.#buffer.length < most) this.#buffer = new Float32Array(most);
    const buffer = new Uint8Array(this.#buffer.buffer);
    for (let from = 0; from < size; from += most) {
      const to = Math.min(size, from + most);
      if (content instanceof StoredBytes) content.readInto(buffer.subarray(0, (to - from) * width), from * width);
      else buffer.set(asArray(content).subarray(from * width, to * width));
      for (let at = from; at < to; at += length) {
        visit(this.#buffer.subarray(at - from, Math.min(at + length, to) - from), at);
      }
    }
  }
}
