#!/usr/bin/env node
import { main } from '@onnx-pruning/cli';

process.exitCode = await main(process.argv.slice(2));
