#!/usr/bin/env node
import { exitOnSignals, main } from '@onnx-pruning/cli';

exitOnSignals();
process.exitCode = await main(process.argv.slice(2));
