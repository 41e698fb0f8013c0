import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const fixture = join(root, "tests/types/fixture.ts");

/**
 * The compiler's errors and an editor's completions for a text, as if it were a file in
 * tests/types.
 */
export class TypeScript {
  readonly #service: ts.LanguageService;
  readonly #text: string;
  readonly #carets: number[] = [];

  /** Every `‸` in `text` is a caret, counted from 0, and is removed. */
  constructor(text: string) {
    const [first = "", ...rest] = text.split("‸");
    this.#text = rest.reduce((before, after) => {
      this.#carets.push(before.length);
      return before + after;
    }, first);
    const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
    this.#service = ts.createLanguageService({
      getCompilationSettings: () => options,
      getScriptFileNames: () => [fixture],
      getScriptVersion: () => "0",
      getScriptSnapshot: (file) => {
        const content = file === fixture ? this.#text : ts.sys.readFile(file);
        return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: ts.getDefaultLibFilePath,
      fileExists: (file) => file === fixture || ts.sys.fileExists(file),
      readFile: ts.sys.readFile,
      readDirectory: ts.sys.readDirectory,
      directoryExists: ts.sys.directoryExists,
      getDirectories: ts.sys.getDirectories,
    });
  }

  /** The errors, each with its line, counted from 1, and its whole message. */
  errors(): { line: number; message: string }[] {
    return this.#service.getSemanticDiagnostics(fixture).map(({ start, messageText }) => ({
      line: this.#text.slice(0, start).split("\n").length,
      message: ts.flattenDiagnosticMessageText(messageText, "\n"),
    }));
  }

  /** An editor's completions at a caret. */
  completions(caret: number): string[] {
    const at = this.#carets[caret] as number;
    const found = this.#service.getCompletionsAtPosition(fixture, at, undefined);
    return found?.entries.map(({ name }) => name) ?? [];
  }

  /** The number of type instantiations that the checker needed to find the errors. */
  get instantiations(): number {
    const program = this.#service.getProgram() as unknown as { getInstantiationCount(): number };
    return program.getInstantiationCount();
  }
}
