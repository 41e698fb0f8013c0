export type { ChatTemplateOptions } from "./chat-options.js";
export type { ChatMessage } from "./chat-template.js";
export { TokenStream, type TokenTexts } from "./token-stream.js";
export { type TokenBatch, type TokenIds, Tokenizer } from "./tokenizer.js";
