export { textTable } from "./text-table.js";
export { quoteToken, showTokens } from "./token-text.js";
