/**
 * Everything that `import { … } from "gemlens"` offers.
 *
 * @module gemlens
 */
export * from "./attribute/index.js";
export * from "./checkpoint/index.js";
export * from "./coder/index.js";
export * from "./errors/index.js";
export * from "./hooks/index.js";
export * from "./intervene/index.js";
export * from "./model/index.js";
export { type DoctorReport, doctor } from "./native/doctor.js";
export * from "./tensor/index.js";
export {
  type ChatMessage,
  type ChatTemplateOptions,
  type TokenBatch,
  type TokenIds,
  Tokenizer,
  TokenStream,
} from "./tokenizer/index.js";
