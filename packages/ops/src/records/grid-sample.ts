/** GridSample: an image is read at places that a grid of coordinates says. Channels pass; places and coordinates stay. */
import { carry, commonDim, expectSize, freezeAxes } from '../axes.ts';
import { NEWEST_OPSET } from '../opsets.ts';
import { perElementOfOneSample } from '../overhead.ts';
import {
  type EquationContext,
  type InferContext,
  noLayer,
  noMacs,
  nothing,
  type OperatorRecord,
  type ValueInfo,
} from '../record.ts';
import { elemTypeOf } from '../values.ts';

const [IMAGE, GRID] = [0, 1];
/** Since this version the image may have any number of spatial axes; before, two. */
const VOLUMETRIC_OPSET = 20;

/** X is [N, C, D1 ... Dr], the grid [N, E1 ... Er, r], the output [N, C, E1 ... Er]. */
function infer(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, IMAGE);
  const [image, grid] = [ctx.dims(IMAGE), ctx.dims(GRID)];
  if (image === undefined || grid === undefined) return [{ elemType }];
  const spatial = image.length - 2;
  if (spatial < 1 || (ctx.opset < VOLUMETRIC_OPSET && spatial !== 2)) {
    ctx.fail(
      ctx.opset < VOLUMETRIC_OPSET ? 'an image of rank 4' : 'an image of rank 3 or more',
      `[${image.join(', ')}]`,
    );
  }
  if (grid.length !== image.length) ctx.fail(`a grid of rank ${image.length}`, `[${grid.join(', ')}]`);
  expectSize(ctx, 'coordinates', spatial, grid.at(-1));
  return [{ elemType, dims: [commonDim(ctx, [image[0], grid[0]]), image[1]!, ...grid.slice(1, -1)] }];
}

function equations(ctx: EquationContext): void {
  const [image, grid, out] = [ctx.in(IMAGE), ctx.in(GRID), ctx.out(0)];
  carry(ctx, image[0], out[0]);
  carry(ctx, grid[0], out[0]);
  carry(ctx, image[1], out[1]);
  grid.slice(1, -1).forEach((term, i) => {
    carry(ctx, term, out[2 + i]);
  });
  freezeAxes(ctx, image.slice(2), 'GridSample reads it at places');
  freezeAxes(ctx, grid.slice(-1), 'GridSample takes it for coordinates');
}

export const gridSampleOperators: readonly OperatorRecord[] = [
  {
    domain: '',
    opType: 'GridSample',
    opsets: [16, NEWEST_OPSET],
    infer,
    equations,
    resize: nothing,
    macs: noMacs,
    overhead: perElementOfOneSample,
    layer: noLayer,
  },
];
