/**
 * Installs the packed packages into an empty folder, as users do, first without onnxruntime and then with it, and tries
 * the command and the types. Needs npm's registry, for the dependencies. Says what it did, and fails at the first fault.
 */
import { equal, match } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RUNTIME_INSTALL_COMMAND } from '@onnx-pruning/runtime';
import { packAll } from './pack.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'onnx-pruning-install-'));
const user = join(folder, 'user');

/** Runs a command in the user's folder, which knows nothing of this repository. */
function run(command, args) {
  const env = {
    ...process.env,
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
  };
  for (const name of Object.keys(env))
    if (/^npm_(config_ignore|package|lifecycle|config_local_prefix)/.test(name)) delete env[name];
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: user, encoding: 'utf8', env });
  return { status, stdout, stderr };
}

function mustRun(command, args) {
  const ran = run(command, args);
  if (ran.status !== 0) throw new Error(`${command} ${args.join(' ')}\n${ran.stdout}${ran.stderr}`);
  return ran;
}

const done = (what) => process.stdout.write(`ok  ${what}\n`);

const PRUNE = ['--no', 'onnx-pruning', 'prune', 'model.onnx', '--ratio', '0.5', '--force', '-o'];

/** What a user may write; compiled with every check that TypeScript has, also inside of the packages' declarations. */
const PROGRAM = `
import { BasePruner, DependencyGraph, GroupMagnitudeImportance, loadModel, pruneConvOutChannels, saveModel } from 'onnx-pruning';
import { GraphBuilder } from 'onnx-pruning/onnx';
import { OperatorRegistry } from 'onnx-pruning/ops';
export async function main(path: string): Promise<number> {
  const model = await loadModel(path);
  const graph = new DependencyGraph().buildDependency(model);
  const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), pruningRatio: 0.5 });
  pruner.step();
  await saveModel(model, path, { overwrite: true });
  return [graph, GraphBuilder, OperatorRegistry, pruneConvOutChannels].length;
}
`;

function checkTypes() {
  const options = {
    strict: true,
    skipLibCheck: false,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    target: 'es2023',
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
  };
  writeFileSync(join(user, 'program.mts'), PROGRAM);
  writeFileSync(join(user, 'program.cts'), PROGRAM);
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['node20', 'node16'],
    ['esnext', 'bundler'],
  ]) {
    const files = moduleResolution === 'bundler' ? ['program.mts'] : ['program.mts', 'program.cts'];
    writeFileSync(
      join(user, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...options, module, moduleResolution }, files }),
    );
    mustRun(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.']);
    done(`types: module ${module}, ${files.join(' and ')}`);
  }
}

function checkContents(tarballs) {
  for (const tarball of tarballs) {
    const names = mustRun('tar', ['tzf', tarball]).stdout.split('\n');
    for (const name of ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts']) {
      if (!names.includes(`package/${name}`)) throw new Error(`${tarball} has no ${name}`);
    }
  }
  done(`${tarballs.length} tarballs, each with LICENSE, README.md and types`);
}

function withoutRuntime() {
  const refused = run('npx', [...PRUNE, 'a.onnx']);
  equal(refused.status, 2, refused.stderr);
  match(refused.stderr, /onnxruntime-node is not installed/);
  match(refused.stderr, /--no-verify/);
  equal(existsSync(join(user, 'a.onnx')), false);
  done('without onnxruntime: no proof, and the command says how to get one');
  mustRun('npx', [...PRUNE, 'a.onnx', '--no-verify', '--no-bench']);
  done('without onnxruntime: prune --no-verify --no-bench');
  mustRun(process.execPath, ['-e', "if (!require('onnx-pruning').BasePruner) process.exit(1)"]);
  mustRun(process.execPath, [
    '--input-type=module',
    '-e',
    "import { BasePruner } from 'onnx-pruning'; new Set([BasePruner])",
  ]);
  done('import and require');
}

function withRuntime() {
  const [command, ...args] = RUNTIME_INSTALL_COMMAND.split(' ');
  mustRun(command, args);
  const { stdout } = mustRun('npx', [...PRUNE, 'b.onnx']);
  match(stdout, /Equivalence +holds/);
  equal(Buffer.compare(readFileSync(join(user, 'a.onnx')), readFileSync(join(user, 'b.onnx'))), 0);
  done(`with onnxruntime (${RUNTIME_INSTALL_COMMAND}): prune, with the check`);
}

const megabytes = () => Math.round(Number(mustRun('du', ['-sk', 'node_modules']).stdout.split('\t')[0]) / 1024);

function testInstall() {
  const tarballs = packAll(join(folder, 'tarballs'));
  mkdirSync(user);
  writeFileSync(join(user, 'package.json'), '{ "private": true }\n');
  copyFileSync(join(ROOT, 'packages/onnx/test/data/tiny-resnet.onnx'), join(user, 'model.onnx'));
  checkContents(tarballs);
  const { stderr } = mustRun('npm', ['install', ...tarballs]);
  equal(stderr, '', `npm warns: ${stderr}`);
  const alone = megabytes();
  withoutRuntime();
  checkTypes();
  withRuntime();
  const whole = megabytes();
  mustRun(process.execPath, ['node_modules/onnx-pruning/scripts/keep-this-platform.js']);
  match(mustRun('npx', [...PRUNE, 'c.onnx']).stdout, /Equivalence +holds/);
  done(
    `installed size: ${alone} MiB, with onnxruntime ${whole} MiB, with that of this platform alone ${megabytes()} MiB`,
  );
}

try {
  testInstall();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
