/**
 * Dense matrices of float64, and their products, which onnxruntime computes: JavaScript has no vector instructions.
 * It must not know what is solved with them.
 */
import { DataType, GraphBuilder } from '@onnx-pruning/onnx';
import { createSession, type Session, type SessionOptions, type TensorValue } from '@onnx-pruning/runtime';

/** Row-major. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** A matrix of zeros, or of the numbers given. */
export function matrix(rows: number, columns: number, data: Float64Array = new Float64Array(rows * columns)): Matrix {
  if (data.length !== rows * columns) throw new Error(`internal: ${data.length} numbers for ${rows} x ${columns}`);
  return { rows, columns, data };
}

/** Below so many multiplications a call into onnxruntime takes longer than they do. */
const WORTH_A_CALL = 2 ** 15;

type Transposed = 'none' | 'first' | 'second';

/** Multiplies matrices. Holds sessions: `dispose` when done. */
export class MatrixProducts {
  readonly #options: SessionOptions;
  readonly #sessions = new Map<Transposed, Promise<Session>>();

  constructor(options: SessionOptions = {}) {
    this.#options = options;
  }

  /** A B, A' B or A B'. */
  async multiply(a: Matrix, b: Matrix, transposed: Transposed = 'none'): Promise<Matrix> {
    const rows = transposed === 'first' ? a.columns : a.rows;
    const columns = transposed === 'second' ? b.rows : b.columns;
    const inner = transposed === 'first' ? a.rows : a.columns;
    if (inner !== (transposed === 'second' ? b.columns : b.rows)) throw new Error('internal: sizes do not fit');
    if (rows * columns * inner < WORTH_A_CALL) return multiplyHere(a, b, transposed, { rows, columns, inner });
    const session = await this.#session(transposed);
    const { c } = await session.run({ a: tensorOf(a), b: tensorOf(b) });
    return { rows, columns, data: c!.data as Float64Array };
  }

  #session(transposed: Transposed): Promise<Session> {
    const known = this.#sessions.get(transposed);
    if (known) return known;
    const b = new GraphBuilder();
    const inputs = ['a', 'b'].map((name) => b.input(name, [`${name}0`, `${name}1`], DataType.DOUBLE));
    const attributes = { transA: transposed === 'first' ? 1 : 0, transB: transposed === 'second' ? 1 : 0 };
    b.output(b.node('Gemm', inputs, attributes, { outputs: ['c'] }), undefined, DataType.DOUBLE);
    const session = createSession(b.build(), this.#options);
    this.#sessions.set(transposed, session);
    return session;
  }

  async dispose(): Promise<void> {
    for (const session of this.#sessions.values()) await (await session).dispose();
    this.#sessions.clear();
  }
}

const tensorOf = ({ rows, columns, data }: Matrix): TensorValue => ({
  dataType: DataType.DOUBLE,
  dims: [rows, columns],
  data,
});

function multiplyHere(
  a: Matrix,
  b: Matrix,
  transposed: Transposed,
  { rows, columns, inner }: { rows: number; columns: number; inner: number },
): Matrix {
  const data = new Float64Array(rows * columns);
  const [aRow, aStep] = transposed === 'first' ? [1, a.columns] : [a.columns, 1];
  const [bColumn, bStep] = transposed === 'second' ? [b.columns, 1] : [1, b.columns];
  const [left, right] = [a.data, b.data];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += left[i * aRow + k * aStep]! * right[j * bColumn + k * bStep]!;
      data[i * columns + j] = sum;
    }
  }
  return { rows, columns, data };
}
