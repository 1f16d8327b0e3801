/**
 * Packs every package into a tarball, with LICENSE and a README in each. Usage: node scripts/pack.js [folder]
 * Prints the tarballs in the order in which they would be published: what a package needs comes before it.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MAIN = 'onnx-pruning';

const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** The folders of the packages that are published, each after those that it depends on. */
export function packageFolders() {
  const { workspaces } = manifestOf(ROOT);
  const packages = new Map(
    workspaces
      .map((path) => join(ROOT, path))
      .map((folder) => [manifestOf(folder), folder])
      .filter(([{ private: isPrivate }]) => !isPrivate)
      .map(([manifest, folder]) => [manifest.name, { manifest, folder }]),
  );
  const ordered = new Set();
  const visit = (name) => {
    const found = packages.get(name);
    if (found === undefined || ordered.has(found.folder)) return;
    for (const dependency of Object.keys(found.manifest.dependencies ?? {})) visit(dependency);
    ordered.add(found.folder);
  };
  for (const name of packages.keys()) visit(name);
  return [...ordered];
}

/** A page for packages that are parts of the main one. */
function readmeOf({ name, description }) {
  return `# ${name}

${description}. Part of [onnx-pruning](https://www.npmjs.com/package/${MAIN}), structural pruning for ONNX models in
TypeScript; install and import \`${MAIN}\`, which holds this package. What is not exported there may change in any release.
`;
}

/** Packs everything into a folder; returns the paths of the tarballs, in the order of publishing. */
export function packAll(into) {
  mkdirSync(into, { recursive: true });
  return packageFolders().map((folder) => {
    const manifest = manifestOf(folder);
    const [license, readme] = [join(folder, 'LICENSE'), join(folder, 'README.md')];
    try {
      copyFileSync(join(ROOT, 'LICENSE'), license);
      if (manifest.name === MAIN) copyFileSync(join(ROOT, 'README.md'), readme);
      else writeFileSync(readme, readmeOf(manifest));
      const told = execFileSync('npm', ['pack', '--json', '--pack-destination', into], {
        cwd: folder,
        encoding: 'utf8',
      });
      return join(into, JSON.parse(told)[0].filename);
    } finally {
      rmSync(license, { force: true });
      rmSync(readme, { force: true });
    }
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const tarball of packAll(resolve(process.argv[2] ?? join(ROOT, 'out/packages'))))
    process.stdout.write(`${tarball}\n`);
}
