/** The public API of @onnx-pruning/onnx: what works in memory, and what opens files. */
export { encodeReferring, type ReferringModel, unchangedFile } from './files/in-files.ts';
export { loadModel, type ParseOptions, parseModel } from './files/load.ts';
export { bytesInMemory, moveContentToFile } from './files/move-content.ts';
export { assertRegularFiles } from './files/readable.ts';
export { type Room, type TemporaryOptions, temporaryRoom } from './files/room.ts';
export {
  completeInterruptedSave,
  type ExternalDataOptions,
  type FileAlongside,
  type SavedFiles,
  type SaveOptions,
  saveModel,
} from './files/save.ts';
export { saveTexts } from './files/save-texts.ts';
export { discard, discardAbandonedFolders, discardTemporaries, temporaryFolder } from './files/temporaries.ts';
export * from './in-memory.ts';
