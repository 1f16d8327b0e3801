/**
 * A protobufjs reader that leaves text to Node's own decoder, where there is one, and puts content that was left in a file where it belongs.
 * protobufjs puts strings together from pieces of eight bytes, which takes longer than everything else in a graph and
 * leaves strings that are slow to look up.
 */
import protobuf from 'protobufjs/light.js';
import type { StoredBytes } from './content/stored-bytes.ts';

/** What Node's decoder writes for bytes that are not UTF-8; text may hold it in its own right. */
const REPLACEMENT = '\ufffd';

export class TextReader extends protobuf.Reader {
  readonly #bytes: Buffer | undefined;
  readonly #stored: ReadonlyMap<number, StoredBytes> | undefined;

  /** @param stored content of byte fields that are empty in `bytes`, by where they end */
  constructor(bytes: Uint8Array, stored?: ReadonlyMap<number, StoredBytes>) {
    super(bytes);
    this.#stored = stored;
    // A browser has no Buffer: there protobufjs reads text.
    if (typeof Buffer !== 'undefined') this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  override bytes(): Uint8Array {
    const bytes = super.bytes();
    // Who decodes a model with stored content knows that a tensor's raw data may be of either kind.
    return (this.#stored?.get(this.pos) as Uint8Array | undefined) ?? bytes;
  }

  /** @throws as protobufjs: RangeError beyond the end, TypeError of TextDecoder for text that is not UTF-8 */
  override stringVerify(): string {
    if (this.#bytes === undefined) return super.stringVerify();
    const start = this.pos;
    const length = this.uint32();
    const end = this.pos + length;
    const text = end <= this.len ? this.#bytes.toString('utf8', this.pos, end) : REPLACEMENT;
    if (text.includes(REPLACEMENT)) {
      this.pos = start;
      return super.stringVerify();
    }
    this.pos = end;
    return text;
  }
}
