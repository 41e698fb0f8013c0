import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import ts from "typescript";
import { beforeAll, describe, expect, test } from "vitest";
import * as gemlens from "../../lib/index.js";
import { root } from "../support/cli.js";
import { newFolder } from "../support/folder.js";
import { runScript } from "../support/script.js";

// Compiles every @example of lib, runs it on the bundled model after the opening lines of
// docs/reference.md, and compares its output with its comments.
interface Example {
  /** `Class.member`, or the name of a function. */
  readonly name: string;
  readonly code: string;
}

const examples = readdirSync(join(root, "lib"), { recursive: true })
  .map(String)
  .filter((file) => file.endsWith(".ts"))
  .sort()
  .flatMap((file) => examplesOf(join(root, "lib", file)));

/** Names that most scripts use, and that must have an example. */
const mostUsed = [
  "HookedTransformer.fromPretrained",
  "HookedTransformer.forward",
  "HookedTransformer.runWithCache",
  "HookedTransformer.runWithGradients",
  "HookedTransformer.generate",
  "HookedTransformer.addHook",
  "HookedTransformer.loss",
  "HookedTransformer.toTokens",
  "HookedTransformer.toStrTokens",
  "HookedTransformer.toSingleToken",
  "HookedTransformer.weight",
  "SAE.fromFile",
  "Transcoder.fromFile",
  "SingleSiteCoder.encode",
  "SingleSiteCoder.decode",
  "Coder.feature",
  "SAE.edit",
  "SAE.forward",
  "SAE.error",
  "FeatureActs.at",
  "FeatureActs.topK",
  "Gradients.grad",
  "ActivationCache",
  "hook",
  "ablate",
  "clamp",
  "scale",
  "steer",
  "project",
  "patch",
  "freeze",
  "attribute",
  "logitLens",
  "directLogitAttribution",
  "activationPatching",
  "attributionPatching",
  "evaluateCoder",
  "tensor",
  "tidy",
  "memory",
];

function examplesOf(file: string): Example[] {
  const text = readFileSync(file, "utf8");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Example[] = [];
  const visit = (node: ts.Node, owner: string) => {
    const name = nameOf(node);
    const full = owner !== "" && name !== undefined ? `${owner}.${name}` : name;
    for (const tag of ownTags(node)) {
      if (tag.tagName.text !== "example") continue;
      const body = text.slice(tag.tagName.end, tag.end).replace(/\*\/$/, "");
      const code = body.replace(/^[ \t]*\* ?/gm, "").trim();
      found.push({ name: full ?? `${file}:${tag.pos}`, code });
    }
    const inside = ts.isClassDeclaration(node) ? (name ?? "") : owner;
    ts.forEachChild(node, (child) => visit(child, inside));
  };
  visit(source, "");
  return found;
}

/** The tags of a node's own comments, without those of its parents. */
function ownTags(node: ts.Node): ts.JSDocTag[] {
  const { jsDoc = [] } = node as { jsDoc?: readonly ts.JSDoc[] };
  return jsDoc.flatMap(({ tags }) => [...(tags ?? [])]);
}

function nameOf(node: ts.Node): string | undefined {
  if (ts.isVariableStatement(node)) return node.declarationList.declarations[0]?.name.getText();
  const { name } = node as { name?: ts.Node };
  return name?.getText();
}

function read(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

/** The opening lines that a page's examples continue, without the import. */
function beginning(page: string): string {
  const [, block = ""] = /^```ts\n(.*?)^```/ms.exec(read(page)) ?? [];
  return block.replace(/^import .*\n/, "");
}

/** The right-hand side of every table in docs/from-python.md, as one example each. */
function calls(): Example[] {
  const rows = read("docs/from-python.md").matchAll(/^\| (.*?) \| (.*) \|$/gm);
  return [...rows].flatMap(([, left = "", right = ""]) =>
    [...right.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => ({ name: left, code: `${code};` })),
  );
}

/** Code that the tests run, with the opening lines of its page. */
const sets = [
  { page: "docs/reference.md", examples },
  { page: "docs/from-python.md", examples: calls() },
];

/**
 * A module that runs examples one after the other, each in its own block, so that examples may
 * reuse the names of the opening lines.
 */
function moduleOf(page: string, examples: readonly Example[]): string {
  const blocks = examples.map(({ code }, i) => `console.log("\\n=== ${i}");\n{\n${code}\n}\n`);
  const body = beginning(page) + blocks.join("");
  const used = Object.keys(gemlens).filter((name) => new RegExp(`\\b${name}\\b`).test(body));
  return `import { ${used.join(", ")} } from "gemlens";\n${body}`;
}

let folder: string;
beforeAll(() => {
  folder = newFolder();
});

describe("examples in comments, and the calls of docs/from-python.md", () => {
  test("exist for the names most used", () => {
    const names = new Set(examples.map(({ name }) => name));
    expect(mostUsed.filter((name) => !names.has(name))).toEqual([]);
    expect(calls().length).toBeGreaterThan(80);
  });

  test("compile", () => {
    const files = sets.flatMap(({ page, examples }) =>
      examples.map((example) => ({
        name: example.name,
        text: moduleOf(page, [example]),
      })),
    );
    for (const [i, { text }] of files.entries()) writeFileSync(join(folder, `${i}.mts`), text);
    const config = {
      extends: join(root, "tsconfig.json"),
      compilerOptions: {
        paths: { gemlens: [join(root, "dist/index.d.ts")] },
        typeRoots: [join(root, "node_modules/@types")],
      },
      include: ["*.mts"],
      exclude: [],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
    const run = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
    const named = run.stdout.replace(/^(?:.*\/)?(\d+)\.mts/gm, (_, i) => files[i]?.name ?? i);
    expect(named).toBe("");
    expect(run.status).toBe(0);
  });

  test.each(sets)(
    "run on the bundled model and print the output in their comments ($page)",
    { timeout: 300_000 },
    async ({ page, examples }) => {
      const name = page.replace(/\W/g, "-");
      const { code, stdout, stderr } = await runScript(folder, name, moduleOf(page, examples));
      const printed = stdout.split(/^=== \d+$/m).slice(1);
      // On failure, reports the last example that began and the error.
      expect([examples[printed.length - 1], stderr]).toEqual([examples.at(-1), ""]);
      expect(code).toBe(0);
      const wrong = examples.flatMap(({ name, code }, i) =>
        missing(code, printed[i] ?? "").map((expected) => ({ name, expected, got: printed[i] })),
      );
      expect(wrong).toEqual([]);
    },
  );
});

/** Comments after `console.log(…);` that the output lacks, in that order. */
function missing(code: string, printed: string): string[] {
  const squeezed = (text: string) => text.replace(/\s+/g, "");
  const output = squeezed(printed);
  let from = 0;
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].flatMap(([, expected = ""]) => {
    const at = output.indexOf(squeezed(expected), from);
    from = at < 0 ? from : at + 1;
    return at < 0 ? [expected] : [];
  });
}

describe("the reference", () => {
  test("has every public name, without a warning", { timeout: 300_000 }, async () => {
    const typedoc = createRequire(import.meta.url).resolve("typedoc/package.json");
    const bin = join(typedoc, "../bin/typedoc");
    const child = spawn(
      process.execPath,
      [bin, "--emit", "none", "--logLevel", "Warn", "--skipErrorChecking"],
      {
        cwd: root,
      },
    );
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect([output, code]).toEqual(["", 0]);
  });
});
