/**
 * Tensor content that stays where it is, in a file, and is read in ranges when it is asked for. Knows no file system: a
 * source is whatever gives bytes at a position.
 */
import { asArray, type Bytes } from './bytes.ts';

/** Something that holds bytes which never change. */
export interface ByteSource {
  /** Where it is, for messages and for programs that can read it themselves. */
  readonly path: string;
  readonly size: number;
  /**
   * Fills `target` with the bytes from `position` on.
   * @throws ModelFileError when the source does not hold what it held when the model was loaded
   */
  read(target: Uint8Array, position: number): void;
}

/** A range of a source. Immutable: it can be shared, and stands for its content as the key of a cache. */
export class StoredBytes {
  readonly source: ByteSource;
  /** Position of the first byte in the source. */
  readonly offset: number;
  readonly length: number;

  constructor(source: ByteSource, offset: number, length: number) {
    this.source = source;
    this.offset = offset;
    this.length = length;
  }

  /** A copy of the bytes from index `from` up to and without `to`, in memory of its own. */
  read(from = 0, to: number = this.length): Uint8Array {
    const bytes = new Uint8Array(to - from);
    this.readInto(bytes, from);
    return bytes;
  }

  /** Fills `target` with the bytes from index `from` on. */
  readInto(target: Uint8Array, from: number): void {
    if (from < 0 || from + target.length > this.length) {
      throw new RangeError(`internal: bytes ${from} to ${from + target.length} of ${this.length}`);
    }
    if (target.length > 0) this.source.read(target, this.offset + from);
  }
}

/** The content of a tensor: in memory, or in a file. */
export type Content = Bytes | StoredBytes;

/** Calls `visit` with all bytes in order: as they are where they are in memory, in pieces that are used again otherwise. */
export function forEachPiece(content: Content, visit: (piece: Uint8Array) => void, most = 2 ** 20): void {
  if (!(content instanceof StoredBytes)) {
    visit(asArray(content));
    return;
  }
  const buffer = new Uint8Array(Math.min(most, content.length));
  for (let from = 0; from < content.length; from += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, content.length - from));
    content.readInto(piece, from);
    visit(piece);
  }
}
