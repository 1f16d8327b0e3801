/** Finds the onnxruntime-node that the project in the current folder uses. It must not load it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Its version, and the folder with one folder of libraries for each platform. */
export function installedRuntime() {
  let manifest;
  try {
    manifest = createRequire(join(process.cwd(), 'package.json')).resolve('onnxruntime-node/package.json');
  } catch {
    fail('onnxruntime-node is not installed in this project: npm install --ignore-scripts onnxruntime-node@1.30.0');
  }
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  return { version, libraries: join(dirname(manifest), 'bin', 'napi-v6') };
}

/** Ends the program with a sentence. */
export function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(2);
}
