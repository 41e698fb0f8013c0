/**
 * Everything that `import { … } from "gemlens"` offers.
 *
 * @module gemlens
 */
// biome-ignore-all assist/source/organizeImports: the first stays first
// In a bundle it throws, before anything that the bundle broke is met.
export {} from "./native/package-root.js";

export * from "./attribute/index.js";
export * from "./checkpoint/index.js";
export * from "./coder/index.js";
export * from "./errors/index.js";
export * from "./hooks/index.js";
export * from "./intervene/index.js";
export * from "./model/index.js";
export { type DoctorReport, doctor } from "./setup/doctor.js";
export * from "./tensor/index.js";
export {
  type ChatMessage,
  type ChatTemplateOptions,
  type TokenBatch,
  type TokenIds,
  Tokenizer,
  TokenStream,
} from "./tokenizer/index.js";
