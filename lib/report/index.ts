export { displayWidth, padTo } from "./display-width.js";
export { probability, signed } from "./numbers.js";
export { textColumns } from "./text-columns.js";
export { type Align, columnGroups, tableRows, textTable } from "./text-table.js";
export {
  jsonText,
  printable,
  printableText,
  quoteToken,
  type ShownToken,
  showTokens,
} from "./token-text.js";
export { wordWrap } from "./word-wrap.js";
