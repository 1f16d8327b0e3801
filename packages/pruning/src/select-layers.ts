/** Turns selectors (layers, names, patterns with `*`) into layers of a graph. */
import type { DependencyGraph, PrunableLayer } from '@onnx-pruning/depgraph';
import { optionError } from './options.ts';
import type { LayerSelector } from './pruner-options.ts';

/**
 * Layers that a selector names; a pattern names every layer that it matches.
 * @throws UnknownLayerError for a name that no layer has (with the nearest names); OptionError for a pattern without a match
 */
export function selectLayers(graph: DependencyGraph, selector: LayerSelector, option: string): PrunableLayer[] {
  if (typeof selector !== 'string' || !selector.includes('*')) return [graph.prunableLayer(selector)];
  const pattern = new RegExp(`^${selector.split('*').map(escapeRegExp).join('.*')}$`);
  const found = graph.layers.filter((layer) => pattern.test(layer.name));
  if (found.length === 0) {
    throw optionError(option, selector, `a pattern that matches a layer, such as '${graph.layers.at(-1)?.name ?? ''}'`);
  }
  return found;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
}
