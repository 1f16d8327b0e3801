/**
 * The sessions of a check, of which only so many are open that their weights fit into a bound: small models stay loaded
 * side by side, large ones take turns, one session at a time. It must not know what the sessions are for.
 */
import { encodedSize, type Model } from '@onnx-pruning/onnx';
import { collectGarbage, createSession, type Session, type SessionOptions } from '@onnx-pruning/runtime';

/** Bytes of weights that sessions may hold together; a session that is larger is alone. */
const HELD_TOGETHER = 2 ** 28;

interface Open {
  readonly session: Session;
  readonly bytes: number;
}

export class SessionPool {
  readonly #options: SessionOptions;
  readonly #limit: number;
  /** The one used last at the end. */
  readonly #open = new Map<string, Open>();

  /** @param memory bytes that the check may take altogether */
  constructor(options: SessionOptions, memory = Infinity) {
    this.#options = options;
    this.#limit = Math.min(HELD_TOGETHER, memory / 4);
  }

  /**
   * The session of that name, loaded if it is not open. It is to be used before another one is asked for, which may close it.
   * @param make gives the model where it has to be loaded: the same for the same name
   * @throws SessionError when onnxruntime does not accept the model
   */
  async get(name: string, make: () => Model): Promise<Session> {
    const known = this.#open.get(name);
    if (known) {
      this.#open.delete(name);
      this.#open.set(name, known);
      return known.session;
    }
    const model = make();
    const bytes = encodedSize(model);
    await this.#makeRoom(bytes);
    if (bytes > HELD_TOGETHER / 4) collectGarbage();
    const session = await createSession(model, this.#options);
    this.#open.set(name, { session, bytes });
    return session;
  }

  /** Closes a session that will hardly be needed again. */
  async close(name: string): Promise<void> {
    const known = this.#open.get(name);
    this.#open.delete(name);
    await known?.session.dispose();
  }

  async dispose(): Promise<void> {
    for (const name of [...this.#open.keys()]) await this.close(name);
  }

  async #makeRoom(bytes: number): Promise<void> {
    let held = [...this.#open.values()].reduce((sum, one) => sum + one.bytes, 0);
    for (const [name, one] of [...this.#open]) {
      if (held + bytes <= this.#limit) return;
      await this.close(name);
      held -= one.bytes;
    }
  }
}
