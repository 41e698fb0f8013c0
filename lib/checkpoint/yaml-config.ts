import { Composer, type CST, Parser } from "yaml";
import { withFile } from "./file-reader.js";
import { refuse } from "./refuse.js";

// A published config.yaml takes one to ten kilobytes and has two levels.
const maxBytes = 32 * 1024;
const maxDepth = 16;

/**
 * Reads one YAML file from outside: valid UTF-8, one document, no key twice, bounded depth. Aliases
 * are refused, as a few of them can stand for billions of values and no published file has any.
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
  // The parser keeps its own stack. The composer recurses: too deep a file would end the process.
  const tokens = [...new Parser().parse(text)];
  if (isTooDeep(tokens)) refuse(file, "YAML", `nesting of at most ${maxDepth}`, "more");
  try {
    const composer = new Composer({ uniqueKeys: true });
    const [document, ...more] = composer.compose(tokens, true, text.length);
    const [fault] = [...(document?.errors ?? []), ...(document?.warnings ?? [])];
    if (fault !== undefined) throw fault;
    if (more.length > 0) throw new Error("several documents");
    return document?.toJS({ maxAliasCount: 0 });
  } catch (error) {
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

function isTooDeep(tokens: readonly CST.Token[]): boolean {
  const open: [token: CST.Token, depth: number][] = tokens.map((token) => [token, 0]);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [token, depth] = next;
    if (depth > maxDepth) return true;
    if (token.type === "document" && token.value !== undefined) open.push([token.value, depth]);
    if (!("items" in token)) continue;
    for (const { key, value } of token.items) {
      if (key) open.push([key, depth + 1]);
      if (value) open.push([value, depth + 1]);
    }
  }
  return false;
}
