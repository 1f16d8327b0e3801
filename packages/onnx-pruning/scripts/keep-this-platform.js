/**
 * Deletes what onnxruntime-node holds for other platforms than this one: it comes with all of them, and one is used.
 * Run it in a project's folder; npm brings the files back when it installs onnxruntime-node anew.
 *
 *     node node_modules/onnx-pruning/scripts/keep-this-platform.js
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { fail, installedRuntime } from './installed-runtime.js';

const { libraries } = installedRuntime();
if (!existsSync(join(libraries, platform(), arch()))) {
  fail(`this onnxruntime-node has no libraries for ${platform()} ${arch()}; nothing was deleted`);
}

const folders = (path) => readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());

function bytesOf(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

const before = bytesOf(libraries);
for (const { name: system } of folders(libraries)) {
  for (const { name: processor } of folders(join(libraries, system))) {
    const isThis = system === platform() && processor === arch();
    if (!isThis) rmSync(join(libraries, system, processor), { recursive: true });
  }
  if (system !== platform()) rmSync(join(libraries, system), { recursive: true });
}
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
process.stdout.write(`onnxruntime-node: ${megabytes(before)} of libraries, ${megabytes(bytesOf(libraries))} kept\n`);
