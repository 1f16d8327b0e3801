import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeModel } from '@onnx-pruning/onnx';
import { buildResNet, ChecksumError, FetchError, fetchFile, fetchModel } from '../src/index.ts';

const bytes = Buffer.from(encodeModel(buildResNet({ classes: 10, imageSize: 32, width: 2, blocks: [1] })));
const sha256 = createHash('sha256').update(bytes).digest('hex');
const otherSum = createHash('sha256').update('something else').digest('hex');

let folder: string;
let cacheDir: string;
let server: Server | undefined;
let requests: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fetch-'));
  cacheDir = join(folder, 'cache', 'models');
  requests = 0;
});

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((done) => (server === undefined ? done(undefined) : server.close(done)));
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** Serves on a free port of this machine; returns the address. */
async function serve(listener: RequestListener): Promise<string> {
  const started = createServer((request, response) => {
    requests++;
    listener(request, response);
  });
  server = started;
  await new Promise<void>((done) => started.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
}

/** An address where nothing listens. */
async function unreachable(): Promise<string> {
  const address = await serve(() => {});
  await new Promise((done) => server!.close(done));
  server = undefined;
  return address;
}

const serveModel = () => serve((_, response) => response.end(bytes));
const filesIn = (dir: string) => readdir(dir).catch(() => []);

describe('a model behind a URL', () => {
  it('is downloaded once, and then comes from the cache', async () => {
    const url = `${await serveModel()}/resnet.onnx`;
    const model = await fetchModel({ url, sha256, cacheDir });
    expect(model.graph.name).toBe('resnet');
    await fetchModel({ url, sha256: sha256.toUpperCase(), cacheDir });
    expect(requests).toBe(1);
    expect(await filesIn(cacheDir)).toEqual([`${sha256}.onnx`]);
  });

  it('needs no network when it is in the cache', async () => {
    await mkdir(cacheDir, { recursive: true });
    await writeFile(join(cacheDir, `${sha256}.onnx`), bytes);
    const path = await fetchFile({ url: `${await unreachable()}/resnet.onnx`, sha256, cacheDir });
    expect(path).toBe(join(cacheDir, `${sha256}.onnx`));
  });

  it('is fetched again when its copy in the cache is damaged', async () => {
    await mkdir(cacheDir, { recursive: true });
    await writeFile(join(cacheDir, `${sha256}.onnx`), bytes.subarray(0, 100));
    const path = await fetchFile({ url: await serveModel(), sha256, cacheDir });
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });

  it('follows redirects', async () => {
    const address = await serve((request, response) =>
      request.url === '/old' ? response.writeHead(302, { location: '/new' }).end() : response.end(bytes),
    );
    await expect(fetchFile({ url: `${address}/old`, sha256, cacheDir })).resolves.toContain(sha256);
  });

  it('is refused when the checksum differs, and nothing is kept', async () => {
    const url = `${await serveModel()}/resnet.onnx?token=secret`;
    const error = await fetchModel({ url, sha256: otherSum, cacheDir }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ChecksumError);
    expect(error).toMatchObject({
      code: 'CHECKSUM_MISMATCH',
      details: { path: url.replace('?token=secret', ''), expected: `SHA-256 ${otherSum}`, actual: sha256 },
    });
    expect(await filesIn(cacheDir)).toEqual([]);
  });

  it('that cannot be reached is an error that says what to do, and nothing is kept', async () => {
    const url = `${await unreachable()}/resnet.onnx`;
    const error = await fetchModel({ url, sha256, cacheDir }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FetchError);
    expect(error).toMatchObject({ code: 'MODEL_UNREACHABLE', details: { path: url, actual: 'ECONNREFUSED' } });
    expect(String(error)).toMatch(/Check the network, or get the file by other means and pass its path or store it as/);
    expect(await filesIn(cacheDir)).toEqual([]);
  });

  it('that breaks off half way leaves nothing behind', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 1000), () => response.destroy());
    });
    await expect(fetchModel({ url, sha256, cacheDir })).rejects.toMatchObject({ code: 'MODEL_UNREACHABLE' });
    expect(await filesIn(cacheDir)).toEqual([]);
  });

  it('that the server does not have is an error with the status', async () => {
    const url = await serve((_, response) => response.writeHead(404).end('not here'));
    await expect(fetchModel({ url, sha256, cacheDir })).rejects.toMatchObject({
      code: 'MODEL_REFUSED',
      details: { actual: 'status 404' },
    });
  });

  it('needs a cache folder that can be written', async () => {
    await writeFile(join(folder, 'cache'), 'a file where a folder should be');
    await expect(fetchModel({ url: await serveModel(), sha256, cacheDir })).rejects.toMatchObject({
      code: 'CACHE_NOT_WRITABLE',
      details: { actual: 'ENOTDIR' },
    });
  });

  it.each(['ftp://127.0.0.1/resnet.onnx', 'file:///resnet.onnx', 'resnet.onnx'])('cannot be at %s', async (url) => {
    await expect(fetchModel({ url, sha256, cacheDir })).rejects.toMatchObject({ code: 'MODEL_URL' });
  });

  it('needs a checksum of the right form', async () => {
    await expect(fetchModel({ url: await serveModel(), sha256: 'abc', cacheDir })).rejects.toMatchObject({
      code: 'CHECKSUM_FORMAT',
    });
    expect(requests).toBe(0);
  });
});

describe('a model at a path', () => {
  it('is loaded where it lies, with or without a checksum', async () => {
    const path = join(folder, 'resnet.onnx');
    await writeFile(path, bytes);
    await chmod(path, 0o444);
    expect((await fetchModel({ path })).path).toBe(path);
    expect((await fetchModel({ path, sha256 })).path).toBe(path);
    await expect(fetchModel({ path, sha256: otherSum })).rejects.toThrow(ChecksumError);
  });

  it('that is not there is an error', async () => {
    await expect(fetchModel({ path: join(folder, 'none.onnx') })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});
