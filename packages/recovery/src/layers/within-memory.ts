/** How each layer is fitted, so that its equations fit into memory. It must not choose what it is fitted to. */
import type { PlannedRemoval } from '@onnx-pruning/proof';
import { channelMapOf } from './channel-map.ts';
import type { NotRefitted, Refittable } from './refittable.ts';

const MEMORY_LIMIT = 2e9;
/** Matrices as large as the covariance that are held at once, of 8 bytes for each number. */
const MATRICES = 6;

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(2)} GB`;

/**
 * The layers whose equations fit into memory: those of all weights, or else those of whole channels.
 */
export function withinMemory(
  planned: PlannedRemoval,
  { layers, left }: { readonly layers: readonly Refittable[]; readonly left: readonly NotRefitted[] },
  memoryLimit: number = MEMORY_LIMIT,
): { layers: Refittable[]; left: NotRefitted[] } {
  const fitting: Refittable[] = [];
  const tooLarge: NotRefitted[] = [];
  for (const layer of layers) {
    const { inputs, groups } = layer.map;
    const bytes = 8 * MATRICES * groups * inputs ** 2;
    const channels = bytes > memoryLimit ? channelMapOf(planned, layer) : undefined;
    const isNarrow = channels !== undefined && 8 * MATRICES * channels.before ** 2 <= memoryLimit;
    if (bytes <= memoryLimit) fitting.push(layer);
    else if (isNarrow) fitting.push({ ...layer, channels });
    else {
      const reason = `its equations for ${inputs} weights of each output take ${gigabytes(bytes)}, more than the limit of ${gigabytes(memoryLimit)}`;
      tooLarge.push({ layer: layer.name, reason });
    }
  }
  return { layers: fitting, left: [...left, ...tooLarge] };
}
