/**
 * A protobufjs writer that does not copy large byte fields: it remembers where they go and hands out the message as
 * a list of chunks. Saving a model so needs no second copy of its weights, and content that lies in a file is not even
 * read.
 *
 * It relies on one property of protobufjs's encoders: what `fork()` returns is the writer of the nested message, and
 * `ldelim()` is called on that same writer. Each nested message therefore gets a writer of its own.
 */
import protobuf from 'protobufjs/light.js';
import { asArray } from './content/bytes.ts';
import { type Content, StoredBytes } from './content/stored-bytes.ts';
import type { TensorProto } from './proto.ts';

/** Byte fields at least this long are passed on as they are; shorter ones are cheaper to copy. */
const KEEP_AS_VIEW = 2048;

/** Large bytes that stand before position `at` of the writer's own buffer. */
interface View {
  readonly at: number;
  readonly bytes: Content;
}

/** Gives the form in which a tensor is written. */
export type TensorStore = (tensor: TensorProto) => TensorProto;

const asItIs: TensorStore = (tensor) => tensor;

export class ChunkWriter extends protobuf.Writer {
  /** The form in which each tensor of the message is written. */
  readonly store: TensorStore;
  readonly #parent: ChunkWriter | undefined;
  readonly #views: View[] = [];
  #viewed = 0;

  constructor(parent?: ChunkWriter, store: TensorStore = parent?.store ?? asItIs) {
    super();
    this.store = store;
    this.#parent = parent;
  }

  override bytes(value: Uint8Array): ChunkWriter {
    this.uint32(value.length);
    return this.raw(value);
  }

  override raw(value: Uint8Array): ChunkWriter {
    this.#content(value);
    return this;
  }

  /** The encoder passes on whatever a field holds, and only raw data of tensors holds anything but bytes in memory. */
  #content(value: Content): void {
    if (value.length < KEEP_AS_VIEW) {
      super.raw(value instanceof StoredBytes ? value.read() : asArray(value));
    } else {
      this.#views.push({ at: this.pos, bytes: value });
      this.#viewed += value.length;
    }
  }

  override fork(): ChunkWriter {
    return new ChunkWriter(this);
  }

  override ldelim(): ChunkWriter {
    const parent = this.#parent;
    if (parent === undefined) throw new Error('internal: ldelim without fork');
    parent.uint32(this.pos + this.#viewed);
    if (this.#views.length === 0) parent.#append(this.finish(true));
    else for (const chunk of this.chunks()) parent.#content(chunk);
    return parent;
  }

  /** The bytes written so far, in order. */
  chunks(): Content[] {
    const own = this.finish(true);
    const chunks: Content[] = [];
    let from = 0;
    for (const { at, bytes } of this.#views) {
      if (at > from) chunks.push(own.subarray(from, at));
      chunks.push(bytes);
      from = at;
    }
    if (own.length > from) chunks.push(own.subarray(from));
    return chunks;
  }

  /** Own bytes of a nested message are always copied: they are small, and copying keeps the list of chunks short. */
  #append(bytes: Uint8Array): void {
    super.raw(bytes);
  }
}
