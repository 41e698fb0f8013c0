// Checks the layer rule and its companions (docs/architecture.md) in lib/ and native/: a folder may
// use only folders to its left. Prints `file:line: what` and exits with 1 if one is broken.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { circlesOf } from "./layers/circles.mjs";

const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)));
const nativeOrder = words(
  "base kernels ops checkpoint hooks coder intervene model attribute run binding",
);
const libOrder = words(
  "errors fetch native setup tensor hooks hub checkpoint catalogue tokenizer coder intervene model corpus attribute evaluate graph report cli",
);
/**
 * The files through which folders to its right may use a folder, in addition to files with names in
 * lib/index.ts; a folder missing here is open.
 */
const doors = { model: words("model-client resolve-model") };
/** The folders of lib/ that a folder of tests may import from. */
const insideFolders = {
  native: words("fetch native setup hub"),
  fuzz: words("tokenizer"),
  hub: words("hub errors"),
  peers: words("hub"),
};
/** A tensor, its operations and its records are one unit in several files. */
const mayCircle = /^lib\/(tensor|tokenizer\/jinja)\//;
const longestFile = 400;
const wideTorchHeaders =
  /^(torch\/(torch|script|extension|all|types)\.h|ATen\/(ATen|Functions)\.h)$/;
const torchHeader = /^((ATen|c10|torch|caffe2)\/|base\/aten\.h$)/;
const skipped = new Set(["node_modules", "fixtures", "dist", "build", "results", "__pycache__"]);

const problems = [];
/** The files of lib/ that each one imports, types included. */
const imports = new Map();

function words(text) {
  return text.split(" ");
}

function report(file, line, message) {
  problems.push(`${file}:${line}: ${message}`);
}

function filesBelow(folder, pattern) {
  let entries = [];
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : filesBelow(path, pattern);
    return pattern.test(entry.name) ? [path] : [];
  });
}

/** Folder `user` may use folder `used`: the same one, or one further left. */
function checkOrder(order, file, line, user, used, what) {
  const from = order.indexOf(user);
  const to = order.indexOf(used);
  if (to === -1) report(file, line, `${what}: ${used}/ is no layer`);
  else if (to > from) report(file, line, `${what}: ${user}/ may use only what lies left of it`);
}

// native/

function checkNative(file) {
  const [, layer] = file.split("/");
  const inLayer = file.split("/").length > 2;
  if (inLayer && !nativeOrder.includes(layer)) report(file, 1, `native/${layer}/ is no layer`);
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  for (const [i, text] of lines.entries()) {
    const match = text.match(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/);
    if (match === null) continue;
    const [, bracket, header] = match;
    checkSystemHeader(file, i + 1, layer, header);
    if (inLayer && bracket === '"') checkOwnHeader(file, i + 1, layer, header);
  }
}

function checkSystemHeader(file, line, layer, header) {
  const isNapi = /^(napi|node_api|js_native_api)(-inl)?\.h$/.test(header);
  if (isNapi && layer !== "binding" && file !== "native/loader.c") {
    report(file, line, `${header} belongs in native/binding only`);
  }
  const isCuda = /^cuda(_runtime)?(_api)?\.h$/.test(header);
  if (isCuda && !file.endsWith(".cu") && !file.startsWith("native/base/cuda")) {
    report(file, line, `${header} belongs in *.cu and native/base/cuda* only`);
  }
  if (layer === "kernels" && torchHeader.test(header)) {
    report(file, line, `${header}: kernels/ takes plain pointers and knows no torch`);
  }
  if (wideTorchHeaders.test(header)) {
    report(file, line, `${header} costs seconds per file: include ATen/core/Tensor.h and *_ops.h`);
  }
}

function checkOwnHeader(file, line, layer, header) {
  if (header === "napi.h") return;
  if (!header.includes("/"))
    report(file, line, `"${header}": name it from native/, "layer/file.h"`);
  else checkOrder(nativeOrder, file, line, layer, header.split("/")[0], `#include "${header}"`);
}

// TypeScript

function parse(file) {
  const text = readFileSync(join(root, file), "utf8");
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
}

function lineOf(source, node) {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

/** Calls `found(specifier, node)` for every import, re-export, import() and import type. */
function forEachImport(source, found) {
  const visit = (node) => {
    const declared = ts.isImportDeclaration(node) || ts.isExportDeclaration(node);
    if (declared && node.moduleSpecifier) found(node.moduleSpecifier.text, node);
    const dynamic =
      ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
    if (dynamic && node.arguments[0] && ts.isStringLiteral(node.arguments[0])) {
      found(node.arguments[0].text, node);
    }
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      found(node.argument.literal.text, node);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}

function resolveImport(file, specifier) {
  return normalize(join(dirname(file), specifier)).replace(/\.js$/, ".ts");
}

function checkLib(file) {
  const source = parse(file);
  const parts = file.split("/");
  const layer = parts[1];
  if (parts.length > 2 && !libOrder.includes(layer)) report(file, 1, `lib/${layer}/ is no layer`);
  if (parts.length > 2 && parts.at(-1) === "index.ts") {
    report(file, 1, "only lib/ has an index.ts: import the file itself");
  }
  imports.set(file, new Set());
  forEachImport(source, (specifier, node) => {
    const line = lineOf(source, node);
    if (specifier === "node-gyp-build" && layer !== "native") {
      report(file, line, "only lib/native loads the addon");
    }
    if (!specifier.startsWith(".")) return;
    if (!/\.(js|json)$/.test(specifier)) report(file, line, `"${specifier}": end it in ".js"`);
    imports.get(file).add(resolveImport(file, specifier));
    const used = relative("lib", resolveImport(file, specifier)).split("/");
    if (parts.length === 2) return;
    if (used[0] === ".." || used.length === 1) {
      report(file, line, `"${specifier}": a layer uses layers only`);
    } else {
      checkOrder(libOrder, file, line, layer, used[0], `import "${specifier}"`);
      checkDoor(file, line, layer, used, specifier);
    }
  });
  const classes = source.statements.filter(
    (node) =>
      ts.isClassDeclaration(node) &&
      node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword),
  );
  if (classes.length > 1) report(file, lineOf(source, classes[1]), "one exported class per file");
  if (file === "lib/index.ts") checkIndex(file, source);
}

/** Folders to the right may import only the doors of a folder that has doors. */
function checkDoor(file, line, layer, [folder, ...rest], specifier) {
  const open = doors[folder];
  if (open === undefined || libOrder.indexOf(folder) >= libOrder.indexOf(layer)) return;
  const name = rest.join("/").replace(/\.ts$/, "");
  if (open.includes(name) || publicFiles().has(`lib/${folder}/${name}.ts`)) return;
  const by = [...open, "what lib/index.ts offers"].join(", ");
  report(file, line, `import "${specifier}": enter lib/${folder} by ${by}`);
}

let offered;

/** The files that lib/index.ts re-exports from. */
function publicFiles() {
  const index = "lib/index.ts";
  if (offered === undefined) {
    offered = new Set();
    if (!existsSync(join(root, index))) return offered;
    forEachImport(parse(index), (specifier) => offered.add(resolveImport(index, specifier)));
  }
  return offered;
}

function checkIndex(file, source) {
  for (const node of source.statements) {
    if (!ts.isExportDeclaration(node) || node.moduleSpecifier === undefined) {
      report(file, lineOf(source, node), "lib/index.ts only re-exports");
    }
  }
}

/** Tests and benches import only the public API and `insideFolders`. */
function checkOutside(file) {
  const source = parse(file);
  forEachImport(source, (specifier, node) => {
    if (!specifier.startsWith(".")) return;
    const used = resolveImport(file, specifier);
    if (used.startsWith("scripts/")) {
      report(file, lineOf(source, node), `"${specifier}": scripts/ are run, not imported`);
    }
    if (!used.startsWith("lib/") || used === "lib/index.ts") return;
    const mayUse = file.startsWith("tests/") ? insideFolders[file.split("/")[1]] : undefined;
    if (mayUse?.includes(used.split("/")[1])) return;
    report(file, lineOf(source, node), `"${specifier}": import from lib/index.js`);
  });
}

// require() of an ES module works unless the module has a top-level await.
function checkTopLevelAwait(file) {
  const source = parse(file);
  const visit = (node) => {
    if (ts.isFunctionLike(node) || ts.isClassDeclaration(node)) return;
    const awaits =
      ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined);
    if (awaits) report(file, lineOf(source, node), "no top-level await");
    ts.forEachChild(node, visit);
  };
  visit(source);
}

function checkLength(file) {
  const lines = readFileSync(join(root, file), "utf8").split("\n").length - 1;
  if (lines > longestFile) report(file, longestFile, `${lines} lines; the cap is ${longestFile}`);
  if (file.split("/").includes("utils")) report(file, 1, "no utils/: keep a helper by its user");
}

for (const file of filesBelow("native", /\.(h|cc|cu|cuh|c)$/)) checkNative(file);
for (const file of filesBelow("lib", /\.ts$/)) checkLib(file);
for (const circle of circlesOf(imports)) {
  if (circle.every((file) => mayCircle.test(file))) continue;
  report(circle[0], 1, `imports in a circle: ${circle.join(", ")}`);
}
for (const folder of ["tests", "bench"]) filesBelow(folder, /\.(ts|mjs)$/).forEach(checkOutside);
for (const folder of ["lib", "bench", "scripts"]) {
  filesBelow(folder, /\.(ts|mjs)$/).forEach(checkTopLevelAwait);
}
for (const folder of ["native", "lib", "tests", "bench", "scripts"]) {
  filesBelow(folder, /\.(h|cc|cu|cuh|c|ts|mjs|py)$/).forEach(checkLength);
}

for (const problem of problems) console.log(problem);
if (problems.length > 0) {
  console.log(`${problems.length} broken layer rules`);
  process.exitCode = 1;
}
