/** Sources are compiled per file by swc (fast start); types are checked by `npm run typecheck`. */
export default {
  // Generous: a test must not fail because the machine is busy.
  testTimeout: 120_000,
  testEnvironment: '<rootDir>/packages/runtime/jest-environment.js',
  roots: ['<rootDir>/packages', '<rootDir>/models', '<rootDir>/bench', '<rootDir>/examples'],
  testMatch: ['**/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['/dist/'],
  moduleNameMapper: {
    '^@onnx-pruning/(models|bench)$': '<rootDir>/$1/src/index.ts',
    '^@onnx-pruning/([a-z]+)$': '<rootDir>/packages/$1/src/index.ts',
    '^onnx-pruning$': '<rootDir>/packages/onnx-pruning/src/index.ts',
    '^onnx-pruning/(onnx|ops)$': '<rootDir>/packages/onnx-pruning/src/$1.ts',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } },
    ],
  },
};
