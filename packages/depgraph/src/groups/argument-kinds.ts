/** Kinds of arguments that this and later packages take. */
import { instanceOf, type Kind } from '@onnx-pruning/onnx';
import { DependencyGraph } from './dependency-graph.ts';

/** A graph that can be asked. */
export const GRAPH: Kind = instanceOf(DependencyGraph, 'a DependencyGraph');
