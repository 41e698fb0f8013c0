// Fails on a phrase of scripts/prose/words.yml in a page, a comment, or a message of the library.
// textlint parses the Markdown and prh matches the phrases; code in fences and `…` does not count.
// Only the search for comments in TypeScript and C++ is by hand, as neither package knows them. A
// comment is Markdown too: a file of code becomes a page that has only its prose, line by line.
//   ROOT       the folder to check, default this package
//   --count    prints only the number of findings per folder
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { TextlintKernel } from "@textlint/kernel";
import { fromYAMLFilePath } from "prh";
import ts from "typescript";

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const given = process.argv.slice(2);
const counting = given.includes("--count");
const root = resolve(given.find((argument) => argument !== "--count") ?? dirname(here));
const folders = ["assets", "bench", "docs", "examples", "lib", "native", "scripts", "tests"];

/** The pages and code under the root, as relative paths; no packages, fixtures or generated pages. */
function filesUnderRoot() {
  const names = readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    if (!entry.isDirectory()) return entry.name.endsWith(".md") ? [entry.name] : [];
    if (!folders.includes(entry.name)) return [];
    const below = readdirSync(join(root, entry.name), { recursive: true });
    return below.map((name) => join(entry.name, name));
  });
  return names.filter(
    (name) =>
      /\.(md|m?ts|mjs|h|cc|cu|cuh|c)$/.test(name) &&
      !/(^|\/)(node_modules|fixtures)\/|^docs\/api\//.test(name),
  );
}

/** The literals of TypeScript, and `text` with them blank, so that none is taken for a comment. */
function withoutLiterals(text) {
  const { ParseNone: jsDocParsingMode } = ts.JSDocParsingMode;
  const options = { languageVersion: ts.ScriptTarget.Latest, jsDocParsingMode };
  const source = ts.createSourceFile("file.ts", text, options);
  const literals = [];
  const rest = [];
  let end = 0;
  const visit = (node) => {
    if (ts.isLiteralExpression(node) || ts.isTemplateLiteralToken(node)) {
      const index = node.getStart(source);
      const found = text.slice(index, node.end);
      literals.push({ 0: found, index, literal: true });
      rest.push(text.slice(end, index), found.replace(/[^\n]/g, " "));
      end = node.end;
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return { literals, rest: rest.join("") + text.slice(end) };
}

const literalOrComment =
  /R"([^(\s]*)\([\s\S]*?\)\1"|"(?:\\.|[^"\\\n])*"|\b\d[\w']*|'(?:\\.|[^'\\\n])*'|\/\/.*|\/\*[\s\S]*?\*\//g;
const literalMark = /^[`"'}]|(?:[`"']|\$\{)$|\\n/g;
const commentMark = /^\s*(?:\/\/+!?|\/\*(?!\*)|\*(?!\/)|(?=\/\*\*))|\s*\*+\/$/g;

/** A page with the prose of `text` on its own lines; "/**" stays, to mark a docstring's opening. */
function proseOf(name, text) {
  const script = /\.m?[tj]s$/.test(name);
  const { literals, rest } = script ? withoutLiterals(text) : { literals: [], rest: text };
  const lines = text.split("\n").map(() => []);
  const matches = [...rest.matchAll(literalOrComment)];
  for (const { 0: found, index, literal } of [...matches, ...literals]) {
    const comment = !literal && /^\/[/*]/.test(found);
    // A literal of three words or more is a message, if it is the library's.
    if (!comment && !(/^(lib|native)\//.test(name) && /^[^/].*\S\s+\S+\s+\S/s.test(found)))
      continue;
    const first = text.slice(0, index).split("\n").length - 1;
    for (const [i, part] of found.split("\n").entries()) {
      lines[first + i].push(part.replace(comment ? commentMark : literalMark, " ").trim());
    }
  }
  return lines.map((parts) => parts.join(" ").trim()).join("\n");
}

const words = join(here, "prose/words.yml");
const phrases = fromYAMLFilePath(words);
const kernel = new TextlintKernel();
const options = {
  ext: ".md",
  plugins: [
    { pluginId: "markdown", plugin: require("@textlint/textlint-plugin-markdown").default },
  ],
  rules: [
    {
      ruleId: "prh",
      rule: require("textlint-rule-prh").default,
      options: {
        rulePaths: [words],
        checkLink: true,
        checkBlockQuote: true,
        checkEmphasis: true,
      },
    },
  ],
};

/** Lints one file: prints its findings, unless they are counted, and returns their number. */
async function lint(name) {
  const content = readFileSync(join(root, name), "utf8");
  const text = name.endsWith(".md") ? content : proseOf(name, content);
  // Parsing Markdown takes most of the time, and only a page with a phrase in it needs that.
  if (phrases.makeChangeSet(name, text).diffs.length === 0) return 0;
  const { messages } = await kernel.lintText(text, { ...options, filePath: name });
  for (const { loc, fix } of counting ? [] : messages) {
    const found = text.slice(...fix.range).replace(/\s+/g, " ");
    console.log(`${name}:${loc.start.line}: "${found}": say "${fix.text}"`);
  }
  return messages.length;
}

async function main() {
  const counts = new Map();
  let all = 0;
  for (const name of filesUnderRoot()) {
    const count = await lint(name);
    const folder = name.split("/")[0];
    if (count > 0) counts.set(folder, (counts.get(folder) ?? 0) + count);
    all += count;
  }
  for (const [folder, count] of counts) console.log(`${folder}: ${count}`);
  console.log(`prose: ${all === 0 ? "clean" : `${all} findings`}`);
  process.exitCode = all === 0 ? 0 : 1;
}

void main();
