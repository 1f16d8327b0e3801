/**
 * Puts the CUDA libraries of the Python wheel onnxruntime-gpu beside those of onnxruntime-node: for versions of CUDA that
 * onnxruntime-node itself has none for. Run it in a project's folder, with the wheel (or the folder that it was unpacked
 * or installed into) of the same version:
 *
 *     pip download --no-deps onnxruntime-gpu==1.30.0
 *     node node_modules/onnx-pruning/scripts/use-cuda-wheel.js onnxruntime_gpu-1.30.0-*.whl
 *
 * It downloads nothing. The libraries are put in place once both are written; npm removes them when it installs
 * onnxruntime-node anew.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import AdmZip from 'adm-zip';
import { fail, installedRuntime } from './installed-runtime.js';

/** What the second needs comes first. */
const LIBRARIES = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];
const IN_WHEEL = 'onnxruntime/capi';
const INFO = /^onnxruntime_gpu-[^/]+\.dist-info\/(METADATA|WHEEL)$/;
/** Of this system and processor are the libraries that onnxruntime-node has for CUDA. */
const PLATFORM = ['linux', 'x64'];
const TAG = /^Tag: .*linux.*_x86_64$/m;

/** The files of a wheel: their names, and what is in one of them. */
function wheelAt(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory()) return folderWheel(path);
  if (stats?.isFile()) return zippedWheel(path);
  return fail(
    `'${path}' is neither a file nor a folder: give the wheel onnxruntime_gpu-....whl, or what it was unpacked into`,
  );
}

function folderWheel(path) {
  const info = readdirSync(path).filter((name) => name.endsWith('.dist-info'));
  const names = info.flatMap((name) => readdirSync(join(path, name)).map((file) => `${name}/${file}`));
  const libraries = LIBRARIES.map((name) => `${IN_WHEEL}/${name}`).filter((name) => existsSync(join(path, name)));
  return { names: [...names, ...libraries], read: (name) => readFileSync(join(path, name)) };
}

function zippedWheel(path) {
  const damaged = (error) => fail(`'${path}' cannot be read as a wheel, which is a zip file: ${error.message}`);
  try {
    const zip = new AdmZip(path);
    const read = (name) => {
      try {
        return zip.getEntry(name).getData();
      } catch (error) {
        return damaged(error);
      }
    };
    return { names: zip.getEntries().map(({ entryName }) => entryName), read };
  } catch (error) {
    return damaged(error);
  }
}

/** What the wheel says of itself. */
function metadataOf({ names, read }) {
  const text = (file) => {
    const name = names.find((one) => INFO.exec(one)?.[1] === file);
    return name === undefined ? '' : read(name).toString('utf8');
  };
  return { version: /^Version: *(\S+)/m.exec(text('METADATA'))?.[1], isForPlatform: TAG.test(text('WHEEL')) };
}

function checkWheel(path, wheel, wanted) {
  const { version, isForPlatform } = metadataOf(wheel);
  if (version === undefined) fail(`'${path}' is no wheel of onnxruntime-gpu: it has no onnxruntime_gpu-*.dist-info`);
  if (version !== wanted) {
    fail(
      `onnxruntime-node is ${wanted}, and the wheel is ${version}: libraries of another version do not fit. ` +
        `Get that one: pip download --no-deps onnxruntime-gpu==${wanted}`,
    );
  }
  if (!isForPlatform) fail(`'${path}' is not for Linux on x86_64`);
  const missing = LIBRARIES.filter((name) => !wheel.names.includes(`${IN_WHEEL}/${name}`));
  if (missing.length > 0) fail(`'${path}' has no ${missing.join(' and no ')} in ${IN_WHEEL}`);
}

/** All are written beside their places first; where one cannot be put there, those before it go back. */
function putAll(folder, contents) {
  const pending = [...contents].map(([name, bytes]) => {
    const to = join(folder, name);
    return { bytes, to, from: join(folder, `.${name}.tmp`), old: join(folder, `.${name}.old`) };
  });
  const moved = [];
  try {
    for (const { from, bytes } of pending) writeFileSync(from, bytes, { mode: 0o755 });
    for (const one of pending) {
      if (existsSync(one.to)) renameSync(one.to, one.old);
      moved.push(one);
      renameSync(one.from, one.to);
    }
  } catch (error) {
    for (const { to, old } of moved.reverse()) {
      rmSync(to, { force: true });
      if (existsSync(old)) renameSync(old, to);
    }
    for (const { from } of pending) removeFile(from);
    fail(`the libraries cannot be written to '${folder}', and nothing was changed: ${error.message}`);
  }
  for (const { old } of pending) removeFile(old);
}

/** A folder of that name is not ours. */
function removeFile(path) {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) rmSync(path);
}

/** The version of CUDA that a library is linked with: the name of its runtime ends in it. */
function cudaVersion(library) {
  const name = 'libcudart.so.';
  const at = library.indexOf(name);
  return at < 0 ? undefined : /^\d+/.exec(library.toString('latin1', at + name.length, at + name.length + 4))?.[0];
}

const [path, ...rest] = process.argv.slice(2);
if (path === undefined || rest.length > 0)
  fail('give one wheel onnxruntime_gpu-....whl, or the folder it was unpacked into');
const { version, libraries } = installedRuntime();
const folder = join(libraries, ...PLATFORM);
if (!existsSync(join(folder, 'libonnxruntime.so.1'))) {
  fail(`this onnxruntime-node has no libraries for ${PLATFORM.join(' ')}; nothing was copied`);
}
const wheel = wheelAt(path);
checkWheel(path, wheel, version);
const contents = new Map(LIBRARIES.map((name) => [name, wheel.read(`${IN_WHEEL}/${name}`)]));
putAll(folder, contents);
const cuda = cudaVersion(contents.get('libonnxruntime_providers_cuda.so'));
const named = cuda === undefined ? 'CUDA' : `CUDA ${cuda}`;
process.stdout.write(`onnxruntime-node ${version} has these libraries now, for ${named}: ${LIBRARIES.join(', ')}

${named} and cuDNN must be where the loader looks, such as:
  export LD_LIBRARY_PATH=/usr/local/cuda/lib64:<folder of libcudnn.so>
Check it with:
  node --input-type=module -e "import { listExecutionProviders } from 'onnx-pruning'; console.log(await listExecutionProviders())"
  npx onnx-pruning prune model.onnx -o smaller.onnx --provider cuda
`);
