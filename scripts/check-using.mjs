// Fails on `using` in a loop whose body catches, in code and in the examples of the docs. Compiled
// by esbuild (tsx), such a loop throws an earlier iteration's error again (docs/memory.md).
//   FILE…    checks only these
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The lines of `text` with `using` in a loop, and a catch between the two. */
function unsafeUsing(text) {
  const source = ts.createSourceFile("file.ts", text, ts.ScriptTarget.Latest, true);
  const lines = [];
  const visit = (node) => {
    // Both kinds of `using` have this bit; `await using` also has the one of const.
    if (ts.isVariableDeclarationList(node) && node.flags & ts.NodeFlags.Using && isUnsafe(node)) {
      lines.push(source.getLineAndCharacterOfPosition(node.getStart()).line + 1);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lines;
}

function isUnsafe(node) {
  let caught = false;
  for (let at = node; at.parent && !ts.isFunctionLike(at); at = at.parent) {
    const { parent } = at;
    if (ts.isTryStatement(parent) && parent.catchClause && at === parent.tryBlock) caught = true;
    if (caught && ts.isIterationStatement(parent, false)) return true;
  }
  return false;
}

function filesOf(folder, ending) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => ending.test(name) && !/node_modules|fixtures/.test(name))
    .map((name) => join(root, folder, name));
}

/** A page's TypeScript, with its line numbers kept. */
function examplesOf(page) {
  let inside = false;
  const lines = page.split("\n").map((line) => {
    if (line.startsWith("```")) inside = line === "```ts";
    return inside && line !== "```ts" ? line : "";
  });
  return lines.join("\n");
}

const given = process.argv.slice(2);
const code = ["lib", "tests", "bench", "scripts", "examples"].flatMap((folder) =>
  filesOf(folder, /\.m?ts$/),
);
const pages = [join(root, "README.md"), ...filesOf("docs", /^[^/]+\.md$/)];
const broken = [];
for (const file of given.length > 0 ? given : [...code, ...pages]) {
  const text = readFileSync(file, "utf8");
  const examples = file.endsWith(".md") ? examplesOf(text) : text;
  broken.push(...unsafeUsing(examples).map((line) => `${relative(root, file)}:${line}`));
}
for (const location of broken) console.log(`${location}: \`using\` in a loop that catches`);
process.exitCode = broken.length === 0 ? 0 : 1;
