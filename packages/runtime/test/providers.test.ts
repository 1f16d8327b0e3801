import {
  availableExecutionProviders,
  CUDA_INSTALL_COMMAND,
  createSession,
  type ExecutionProvider,
  ExecutionProviderError,
  listExecutionProviders,
} from '../src/index.ts';
import { scaleModel } from './models.ts';

describe('execution providers', () => {
  let providers: readonly ExecutionProvider[];
  beforeAll(async () => {
    providers = await listExecutionProviders();
  });

  it('always have cpu among them', async () => {
    expect(await availableExecutionProviders()).toContain('cpu');
    expect(providers).toContainEqual({ name: 'cpu', available: true });
  });

  it('say of each one that is missing why, and what to do', () => {
    for (const provider of providers.filter((candidate) => !candidate.available)) {
      expect(provider.reason).toMatch(/\w/);
      expect(provider.repair).toMatch(/\w/);
    }
  });

  it('create a session when available, and otherwise an error that lists those that are: never one on the CPU', async () => {
    for (const { name, available, reason, repair } of providers) {
      const created = createSession(scaleModel(2), { executionProvider: name });
      if (available) {
        const session = await created;
        expect(session.executionProvider).toBe(name);
        await session.dispose();
      } else {
        const error = await created.then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(ExecutionProviderError);
        expect(error).toMatchObject({
          details: { expected: expect.stringContaining("'cpu'"), actual: `'${name}'`, repair },
        });
        expect(reason).toBeDefined();
      }
    }
  });

  it('refuse a name that this build does not know', async () => {
    await expect(createSession(scaleModel(2), { executionProvider: 'abacus' })).rejects.toMatchObject({
      name: 'ExecutionProviderError',
      message: expect.stringMatching(/'abacus' is not available.*'cpu'/),
    });
  });

  it('name the command that installs CUDA', async () => {
    const cuda = providers.find((provider) => provider.name === 'cuda');
    if (cuda === undefined || cuda.available) return;
    expect(cuda.repair).toContain(CUDA_INSTALL_COMMAND);
  });
});
