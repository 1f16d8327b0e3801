/** Runs the example that is named: `npm run example <name>`. Knows nothing of what they do. */
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Example {
  main(): Promise<void>;
  /** For examples that take arguments. */
  run?(args: readonly string[]): Promise<void>;
}

const [name, ...args] = process.argv.slice(2);
const names = readdirSync(fileURLToPath(new URL('.', import.meta.url)))
  .filter((file) => file.endsWith('.js'))
  .map((file) => basename(file, '.js'))
  .filter((example) => example !== 'run');

if (name !== undefined && names.includes(name)) {
  const example: Example = await import(`./${name}.js`);
  await (example.run ? example.run(args) : example.main());
} else {
  console.error(`usage: npm run example <name>, where <name> is one of\n  ${names.join('\n  ')}`);
  process.exitCode = 2;
}
