/**
 * A protobufjs reader that leaves text to Node's own decoder. protobufjs puts strings together from pieces of eight
 * bytes, which takes longer than everything else in a graph and leaves strings that are slow to look up.
 */
import protobuf from 'protobufjs/light.js';

/** What Node's decoder writes for bytes that are not UTF-8; text may hold it in its own right. */
const REPLACEMENT = '\ufffd';

export class TextReader extends protobuf.Reader {
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @throws as protobufjs: RangeError beyond the end, TypeError of TextDecoder for text that is not UTF-8 */
  override stringVerify(): string {
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
