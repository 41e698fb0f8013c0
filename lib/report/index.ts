export { probability, signed } from "./numbers.js";
export { textColumns } from "./text-columns.js";
export { textTable } from "./text-table.js";
export { printable, quoteToken, showTokens } from "./token-text.js";
export { wordWrap } from "./word-wrap.js";
