/**
 * Which images a folder holds, and their classes: a folder for every class, or images alone. What else lies there is left
 * alone, but for images of kinds that are not read, which would be missed. It opens no image.
 */
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { listNames } from '@onnx-pruning/onnx';
import { DataError } from './errors.ts';
import { unreadable } from './regular-file.ts';

/** Images in a fixed order: by class, then by name. */
export interface ImageListing {
  readonly folder: string;
  /** Paths below the folder, with '/'. */
  readonly names: readonly string[];
  /** The number of the class of each image, where there is a folder for every class. */
  readonly classes: Int32Array | undefined;
}

const READ: ReadonlySet<string> = new Set(['.png', '.jpg', '.jpeg', '.webp']);
const NOT_READ: ReadonlySet<string> = new Set([
  '.bmp',
  '.gif',
  '.tif',
  '.tiff',
  '.heic',
  '.avif',
  '.ppm',
  '.pgm',
  '.jp2',
]);

/** Whether a file is an image that can be read, by its name. */
export const isImageName = (name: string): boolean => READ.has(extname(name).toLowerCase());

/**
 * Lists the images of a folder. Folders in it are classes, numbered in the order of their names (by code units).
 * @throws DataError for a folder without images, with both images and folders, with a class without images, with folders
 * inside of classes, and with images of a kind that is not read
 */
export async function imagesIn(folder: string): Promise<ImageListing> {
  const { images, folders } = await entriesOf(folder);
  if (images.length > 0 && folders.length > 0) {
    throw layoutError(folder, `both images (${images[0]}, ...) and folders (${folders[0]}, ...)`);
  }
  if (folders.length === 0) {
    if (images.length === 0) throw layoutError(folder, 'neither');
    return { folder, names: images, classes: undefined };
  }
  const names: string[] = [];
  const classes: number[] = [];
  for (const [number, name] of folders.entries()) {
    const within = await entriesOf(join(folder, name));
    if (within.folders.length > 0) throw layoutError(join(folder, name), `a folder ${within.folders[0]} in a class`);
    if (within.images.length === 0) throw layoutError(join(folder, name), 'a class without images');
    for (const image of within.images) {
      names.push(`${name}/${image}`);
      classes.push(number);
    }
  }
  return { folder, names, classes: Int32Array.from(classes) };
}

async function entriesOf(folder: string): Promise<{ images: string[]; folders: string[] }> {
  const [images, folders]: [string[], string[]] = [[], []];
  for (const entry of await list(folder)) {
    if (entry.name.startsWith('.')) continue;
    const found = entry.isSymbolicLink() ? await followed(join(folder, entry.name)) : entry;
    if (found.isDirectory()) folders.push(entry.name);
    else if (isImageName(entry.name)) images.push(entry.name);
    else if (NOT_READ.has(extname(entry.name).toLowerCase())) throw notRead(join(folder, entry.name));
  }
  return { images: images.sort(), folders: folders.sort() };
}

async function list(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw unreadable(folder, cause);
  }
}

async function followed(path: string) {
  try {
    return await stat(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function layoutError(path: string, actual: string): DataError {
  return new DataError('DATA_LAYOUT', 'the folder does not hold samples in a layout that is known', {
    path,
    expected: `images (${listNames([...READ])}), or a folder of them for every class, or tensors (input_0.pb, ... or test_data_set_0, ...)`,
    actual,
  });
}

function notRead(path: string): DataError {
  return new DataError('DATA_KIND', 'images of this kind are not read', {
    path,
    expected: listNames([...READ]),
    repair: 'Convert it, for example to .png, or put it elsewhere.',
  });
}
