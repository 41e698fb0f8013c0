export { textTable } from "./text-table.js";
export { quoteToken, showTokens } from "./token-text.js";
export { wordWrap } from "./word-wrap.js";
