/**
 * Real weights: an ONNX file from a path or a URL, checked against its SHA-256 and kept in a cache. The checksum is
 * compared before anything parses the file. There is no list of known models here: callers name what they trust.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { loadModel, type Model, OnnxPruningError } from '@onnx-pruning/onnx';

/** A file on this machine; its checksum is compared when one is given. */
export interface LocalModel {
  path: string;
  /** SHA-256 of the file, in hexadecimal. */
  sha256?: string;
}

/** A file behind http or https. */
export interface RemoteModel {
  url: string;
  /** SHA-256 of the file, in hexadecimal. Also its name in the cache, so that a new version is never mistaken for an old. */
  sha256: string;
  /** Default: `onnx-pruning` in `XDG_CACHE_HOME`, or in `~/.cache`. */
  cacheDir?: string;
}

export type ModelLocation = LocalModel | RemoteModel;

/** A model that cannot be had: offline, not found, not readable, or nowhere to store it. */
export class FetchError extends OnnxPruningError {}
/** A file with other content than its checksum says. */
export class ChecksumError extends OnnxPruningError {}

/**
 * Loads a model from a path or a URL. External data beside a remote file is not fetched.
 * @throws ChecksumError when the content is not what `sha256` says.
 * @throws FetchError when offline, when the server refuses, or when the cache cannot be written.
 */
export async function fetchModel(source: ModelLocation): Promise<Model> {
  return loadModel(await fetchFile(source));
}

/**
 * As `fetchModel`, without loading: the absolute path of the file, whose checksum has been compared. A file in the cache
 * is used without any network; one that was damaged there is fetched again. A failed download leaves nothing behind.
 */
export async function fetchFile(source: ModelLocation): Promise<string> {
  if ('path' in source) return localFile(source);
  const sha256 = checkedSum(source.sha256);
  const url = checkedUrl(source.url);
  const cached = join(resolve(source.cacheDir ?? defaultCacheDir()), `${sha256}.onnx`);
  if ((await exists(cached)) && (await sha256Of(cached)) === sha256) return cached;
  await download(url, sha256, cached);
  return cached;
}

async function localFile({ path, sha256 }: LocalModel): Promise<string> {
  const file = resolve(path);
  if (!(await exists(file))) {
    throw new FetchError('MODEL_NOT_FOUND', 'There is no readable file', { path: file, repair: 'Check the path.' });
  }
  if (sha256 !== undefined) compareSums(file, checkedSum(sha256), await sha256Of(file));
  return file;
}

async function download(url: URL, sha256: string, target: string): Promise<void> {
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    await mkdir(dirname(target), { recursive: true });
    compareSums(shown(url), sha256, await writeHashed(await request(url, target), temporary));
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error instanceof OnnxPruningError ? error : failure(error, url, target);
  }
}

async function request(url: URL, target: string): Promise<Readable> {
  const response = await fetch(url);
  if (response.ok && response.body !== null) return Readable.fromWeb(response.body);
  await response.body?.cancel();
  throw new FetchError('MODEL_REFUSED', 'The server does not deliver the model', {
    path: shown(url),
    expected: 'status 200',
    actual: `status ${response.status}`,
    repair: `Check the URL, or ${byHand(target)}.`,
  });
}

/** Writes a stream to a new file. Returns the SHA-256 of what was written. */
async function writeHashed(body: Readable, path: string): Promise<string> {
  const hash = createHash('sha256');
  const tap = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(body, tap, createWriteStream(path, { flags: 'wx' }));
  return hash.digest('hex');
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function compareSums(path: string, expected: string, actual: string): void {
  if (expected === actual) return;
  throw new ChecksumError('CHECKSUM_MISMATCH', 'A model file has other content than expected', {
    path,
    expected: `SHA-256 ${expected}`,
    actual,
    repair: 'Get the file again from a source you trust, or correct the checksum if the file was meant to change.',
  });
}

function checkedSum(sha256: string): string {
  if (/^[0-9a-f]{64}$/i.test(sha256)) return sha256.toLowerCase();
  throw new ChecksumError('CHECKSUM_FORMAT', 'A checksum is not a SHA-256', {
    expected: '64 hexadecimal digits',
    actual: sha256 === '' ? 'nothing' : sha256,
    repair: 'Compute it with: sha256sum FILE.',
  });
}

function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new FetchError('MODEL_URL', 'A model cannot be fetched from this address', {
    expected: 'an http or https URL',
    actual: text,
    repair: 'Pass a file on this machine as path.',
  });
}

/** What went wrong underneath: an errno code of the file system or of the network where there is one. */
function errnoOf(error: unknown): string {
  const cause = field(error, 'cause') ?? error;
  return String(field(cause, 'code') ?? field(cause, 'message') ?? cause);
}

/** Errors of fetch need not be instances of this context's Error, so this asks for what they have. */
function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function failure(error: unknown, url: URL, target: string): FetchError {
  const code = errnoOf(error);
  if (['EACCES', 'EROFS', 'ENOSPC', 'ENOTDIR', 'EEXIST', 'EPERM', 'EDQUOT'].includes(code)) {
    const repair = 'Choose another cacheDir, or make room there.';
    return new FetchError(
      'CACHE_NOT_WRITABLE',
      'A model cannot be stored',
      { path: target, actual: code, repair },
      { cause: error },
    );
  }
  const details = { path: shown(url), actual: code, repair: `Check the network, or ${byHand(target)}.` };
  return new FetchError('MODEL_UNREACHABLE', 'A model cannot be downloaded', details, { cause: error });
}

const byHand = (target: string): string => `get the file by other means and pass its path or store it as '${target}'`;

/** Without credentials and query, which may be secret. */
const shown = (url: URL): string => `${url.origin}${url.pathname}`;

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const defaultCacheDir = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'onnx-pruning');
