/** Writes the ResNet-18 that the demo prunes: torchvision's structure and names, seeded random weights. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { buildResNet18 } from '@onnx-pruning/models';
import { saveModel } from 'onnx-pruning';

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: node scripts/build-resnet18.js <file.onnx>');
mkdirSync(dirname(path), { recursive: true });
await saveModel(buildResNet18(), path);
