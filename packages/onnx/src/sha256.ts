/** SHA-256, incrementally. The one place that asks Node for it: elsewhere another source of the same digest can stand in. */
import { createHash } from 'node:crypto';
import { asArray, type Bytes } from './content/bytes.ts';

export interface Digest {
  update(bytes: Bytes): void;
  /** Lower-case hexadecimal. */
  hex(): string;
}

export function sha256(): Digest {
  const hash = createHash('sha256');
  return {
    update: (bytes) => {
      hash.update(asArray(bytes));
    },
    hex: () => hash.digest('hex'),
  };
}
