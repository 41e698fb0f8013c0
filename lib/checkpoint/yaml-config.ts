import { parseDocument } from "yaml";
import { withFile } from "./file-reader.js";
import { refuse } from "./refuse.js";

// A published config.yaml takes one to ten kilobytes. Within this bound even a file of brackets
// alone is parsed in milliseconds.
const maxBytes = 64 * 1024;

/**
 * Reads one YAML file from outside: valid UTF-8, one document, no key twice. Aliases are refused, as
 * a few of them can stand for billions of values and no published file has any.
 *
 * @throws NOT_FOUND if there is no such file
 * @throws CHECKPOINT, naming the file
 */
export function readStrictYaml(file: string): unknown {
  const bytes = withFile(file, ({ size, read }) => {
    if (size > maxBytes) refuse(file, "file", `at most ${maxBytes} bytes`, size);
    return read(0, size, "file");
  });
  const text = decode(bytes, file);
  try {
    const document = parseDocument(text, { uniqueKeys: true, prettyErrors: false });
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined) throw fault;
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    // Besides the parser's own errors: RangeError if the nesting is too deep for the stack.
    return refuse(file, "YAML", "valid YAML without aliases", (error as Error).message, error);
  }
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    return refuse(file, "YAML", "UTF-8 text", "other bytes", error);
  }
}
