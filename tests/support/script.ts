import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { type Finished, root, runNode } from "./cli.js";

/** Runs a script that imports `gemlens` from `folder`, as an application with the package does. */
export function runScript(folder: string, name: string, code: string): Promise<Finished> {
  const modules = join(folder, "node_modules");
  if (!existsSync(modules)) {
    mkdirSync(modules);
    symlinkSync(root, join(modules, "gemlens"));
  }
  const file = join(folder, `${name}.mjs`);
  // Matches the compiler's own setting, as Node 20 has no `using`.
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  writeFileSync(file, ts.transpileModule(code, { compilerOptions }).outputText);
  return runNode([file]);
}
