/** The public names of the cost package. */
export { type Cost, CostModel } from './cost-model.ts';
export {
  type CountConvention,
  CountError,
  type CountOptions,
  countOpsAndParams,
  type LayerCount,
  type LayerWiseCount,
  type ModelCount,
} from './count.ts';
