/**
 * Inner products of 4 x 4 rows at a time, as a WebAssembly module. JavaScript has no vector instructions, and all that
 * FPGM waits for is this sum: it takes a sixth of the time here. The module is assembled from instructions under the
 * names of the WebAssembly specification (Core 2.0, section 5.4: binary format of instructions). It must not know what
 * the rows are.
 */

/** Rows that are multiplied with as many others at once. */
export const TILE = 4;

/** Exports of the module. */
export interface GramKernel {
  /** Addresses are bytes from the start of this memory. */
  readonly memory: { readonly buffer: ArrayBuffer };
  /**
   * Adds to 4 x 4 sums: sum(i, j) += x(i, 0) y(j, 0) + x(i, 1) y(j, 1) + ...
   * @param x address of 4 rows of float64, column by column: x(0, 0), x(1, 0), x(2, 0), x(3, 0), x(0, 1), ...
   * @param xEnd address after the last column
   * @param y address of 4 rows in the same form
   * @param sums address of the first of 4 rows of sums
   * @param stride bytes from one row of sums to the next
   */
  addProducts(x: number, xEnd: number, y: number, sums: number, stride: number): void;
}

/** @param bytes size of the memory */
export function createGramKernel(bytes: number): GramKernel {
  const module = new WebAssembly.Module(Uint8Array.from(moduleBytes(Math.ceil(bytes / PAGE))));
  return new WebAssembly.Instance(module).exports as unknown as GramKernel;
}

/** The part of the WebAssembly API that is used here; it belongs to no library of TypeScript but the browser's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

const I32 = 0x7f;
const V128 = 0x7b;
const DOUBLE = 8;
const VECTOR = 16;
const PAGE = 2 ** 16;
/** Vectors of two doubles in a row of a tile. */
const PAIRS = TILE / 2;

type Code = readonly number[];

const localGet = (local: number): Code => [0x20, local];
const localSet = (local: number): Code => [0x21, local];
const localTee = (local: number): Code => [0x22, local];
const i32Const = (value: number): Code => [0x41, ...signed(value)];
const I32_LESS_UNSIGNED: Code = [0x49];
const I32_ADD: Code = [0x6a];
const LOOP: Code = [0x03, 0x40];
const BRANCH_IF_TO_LOOP: Code = [0x0d, 0];
const END: Code = [0x0b];
/** Operands of memory instructions: alignment as a power of two, and offset. */
const vectorLoad = (offset: number): Code => [0xfd, 0x00, 3, ...unsigned(offset)];
const vectorLoadTwice = (offset: number): Code => [0xfd, 0x0a, 3, ...unsigned(offset)];
const vectorStore = (offset: number): Code => [0xfd, 0x0b, 3, ...unsigned(offset)];
const F64X2_ADD: Code = [0xfd, ...unsigned(0xf0)];
const F64X2_MUL: Code = [0xfd, ...unsigned(0xf2)];

/** Locals: the parameters, then vectors. */
const [X, X_END, Y, SUMS, STRIDE] = [0, 1, 2, 3, 4];
const firstVector = 5;
const sum = (i: number, pair: number): number => firstVector + i * PAIRS + pair;
const yPair = (pair: number): number => firstVector + TILE * PAIRS + pair;
const xTwice = yPair(PAIRS);
const vectors = xTwice + 1 - firstVector;

const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** One column: every x of it times every y of it. */
function column(): number[] {
  return [
    ...indices(PAIRS).flatMap((pair) => [...localGet(Y), ...vectorLoad(pair * VECTOR), ...localSet(yPair(pair))]),
    ...indices(TILE).flatMap((i) => [
      ...[...localGet(X), ...vectorLoadTwice(i * DOUBLE), ...localSet(xTwice)],
      ...indices(PAIRS).flatMap((pair) => [
        ...[...localGet(sum(i, pair)), ...localGet(xTwice), ...localGet(yPair(pair))],
        ...[...F64X2_MUL, ...F64X2_ADD, ...localSet(sum(i, pair))],
      ]),
    ]),
  ];
}

function addProducts(): number[] {
  const nextColumn = (local: number): Code => [...localGet(local), ...i32Const(TILE * DOUBLE), ...I32_ADD];
  const nextRow: Code = [...localGet(SUMS), ...localGet(STRIDE), ...I32_ADD, ...localSet(SUMS)];
  const store = (i: number, pair: number): Code => {
    const before = [...localGet(SUMS), ...vectorLoad(pair * VECTOR)];
    return [...localGet(SUMS), ...before, ...localGet(sum(i, pair)), ...F64X2_ADD, ...vectorStore(pair * VECTOR)];
  };
  return [
    ...[...LOOP, ...column()],
    ...[...nextColumn(Y), ...localSet(Y), ...nextColumn(X), ...localTee(X), ...localGet(X_END)],
    ...[...I32_LESS_UNSIGNED, ...BRANCH_IF_TO_LOOP, ...END],
    ...indices(TILE).flatMap((i) => [...indices(PAIRS).flatMap((pair) => store(i, pair)), ...nextRow]),
    ...END,
  ];
}

function moduleBytes(pages: number): number[] {
  const locals = [1, vectors, V128];
  const body = [...locals, ...addProducts()];
  return [
    ...[0x00, ...text('asm').slice(1), 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, 5, I32, I32, I32, I32, I32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0x00, ...unsigned(pages)]),
    ...section(7, [2, ...text('memory'), 0x02, 0, ...text('addProducts'), 0x00, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

/** Length and characters. */
function text(ascii: string): number[] {
  return [ascii.length, ...[...ascii].map((char) => char.charCodeAt(0))];
}

/** LEB128, the variable-length form of integers. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const fits = value >= -0x40 && value < 0x40;
  return fits ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
