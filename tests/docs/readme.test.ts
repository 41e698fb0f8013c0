import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer } from "../../lib/index.js";
import { expectAlike } from "../support/alike.js";
import { gemlens, root } from "../support/cli.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";
import { runScript } from "../support/script.js";

const pages = [
  "README.md",
  ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`),
].filter((name) => name.endsWith(".md"));
const read = (page: string) => readFileSync(join(root, page), "utf8");

/** The TypeScript blocks of a page. */
function blocks(page: string): string[] {
  return [...read(page).matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code as string);
}

/** A block's output as the page shows it: the text block right after it. */
function outputOf(page: string, code: string): string | undefined {
  const text = read(page);
  const after = text.slice(text.indexOf(code) + code.length);
  return /^```\n\n```text\n([\s\S]*?)```/.exec(after)?.[1];
}

let folder: string;
beforeAll(() => {
  folder = newFolder();
});

describe("examples", () => {
  test("of all pages compile unchanged", () => {
    const examples = pages.flatMap((page) => blocks(page).map((code, i) => ({ page, code, i })));
    expect(examples.length).toBeGreaterThan(4);
    for (const { page, code, i } of examples) {
      writeFileSync(join(folder, `${page.replace(/\W/g, "-")}-${i}.mts`), code);
    }
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
    expect(run.stdout).toBe("");
    expect(run.status).toBe(0);
  });

  test.each(["README.md", "docs/hooks.md", "docs/memory.md", "docs/architecture.md"])(
    "of %s run on the bundled model",
    async (page) => {
      const runnable = blocks(page).filter((code) => code.includes('"tiny"'));
      expect(runnable.length).toBeGreaterThan(0);
      for (const [i, code] of runnable.entries()) {
        const { code: status, stdout, stderr } = await runScript(folder, `run-${i}`, code);
        expect([status, stderr]).toEqual([0, ""]);
        for (const [, output] of code.matchAll(/console\.log\(.*?\/\/ (\[.*\])$/gm)) {
          expect(stdout.replace(/\s+/g, "")).toContain(output?.replace(/\s+/g, ""));
        }
        const printed = outputOf(page, code);
        if (page === "README.md") expect(printed).toBeDefined();
        if (printed !== undefined) expectAlike(stdout, printed);
      }
    },
  );

  test("of the README begin with one of five lines, and need no path", () => {
    const all = blocks("README.md");
    expect(all[0]?.trimEnd().split("\n").length).toBeLessThanOrEqual(5);
    for (const code of all) expect(code).not.toContain("assets/");
  });

  test("of the README's shell print the output it shows", async () => {
    const shown = [...read("README.md").matchAll(/^\$ npx gemlens (.*)\n((?:(?!\$ |```).*\n)+)/gm)];
    expect(shown.length).toBe(3);
    for (const [, line = "", printed = ""] of shown) {
      const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(
        ([, quoted, bare]) => quoted ?? bare ?? "",
      );
      const { code, stdout } = await gemlens(args);
      expect(code).toBe(0);
      expectAlike(stdout, printed);
    }
  });
});

describe("links and tables", () => {
  test("point at existing files", () => {
    for (const page of pages) {
      const base = new URL(page, `file://${root}/`);
      for (const [, target = ""] of read(page).matchAll(/\]\(([^)#]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        expect(() => readFileSync(new URL(target, base)), `${page}: ${target}`).not.toThrow();
      }
    }
  });

  test("of docs/hooks.md list every hook point, with its shape and other names", async () => {
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma3"));
    const { nHeads: head, nKeyValueHeads: kv_head, dHead, dModel, dMlp, dVocab } = model.cfg;
    const sizes: Record<string, number> = {
      ...{ batch: 1, pos: 3, query_pos: 3, key_pos: 3, "1": 1 },
      ...{ head, kv_head, d_head: dHead, d_model: dModel, d_mlp: dMlp, d_vocab: dVocab },
    };
    const documented: string[] = [];
    const rows = [
      ...read("docs/hooks.md").matchAll(/^\| `(.+?)` \| \[(.*?)\] \|.*\| (.*?) \| (.*?) \|$/gm),
    ];
    for (const [, name = "", shape = "", aliases = "", keys = ""] of rows) {
      const prefix = model.hookNames.includes(name) ? "" : "blocks.1.";
      const full = prefix + name;
      documented.push(full);
      const others = [...aliases.matchAll(/`(.+?)`/g)].map(([, alias]) => prefix + alias);
      for (const asked of [full, ...others]) {
        using run = await model.runWithCache([1, 2, 3], { names: [asked], logits: false });
        expect(run.cache.names, asked).toEqual([full]);
        const want = shape.split(", ").map((axis) => sizes[axis]);
        expect(run.cache.get(full).shape, full).toEqual(want);
        for (const [, key = ""] of keys.matchAll(/`(.+?)`/g)) {
          const short = prefix === "" ? [key] : [key, 1];
          expect(run.cache.has(short as never), key).toBe(true);
        }
      }
    }
    const all = model.hookNames.filter(
      (name) => !name.startsWith("blocks.") || name.startsWith("blocks.1."),
    );
    expect(documented.sort()).toEqual([...all].sort());
  });
});
