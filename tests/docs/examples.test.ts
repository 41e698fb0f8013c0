import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { expectAlike } from "../support/alike.js";
import { root } from "../support/cli.js";
import { newFolder } from "../support/folder.js";
import { runScript } from "../support/script.js";

// Runs every example unchanged and compares its output with docs/recipes.md.
const names = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".ts"));
const page = readFileSync(join(root, "docs/recipes.md"), "utf8");
const shown = [...page.matchAll(/^```ts\n(.*?)^```\n\n```text\n(.*?)^```/gms)];

const code = (name: string) => readFileSync(join(root, "examples", name), "utf8");
const recipe = (name: string) => shown.find(([, text]) => text === code(name));

let folder: string;
beforeAll(() => {
  folder = newFolder();
});

async function output(name: string): Promise<string> {
  const run = await runScript(folder, name, code(name));
  expect([run.code, run.stderr]).toEqual([0, ""]);
  const [, , printed = ""] = recipe(name) ?? [];
  expectAlike(run.stdout, printed);
  return run.stdout;
}

/** The captured numbers of each matching line. */
function rows(text: string, line: RegExp): number[][] {
  return [...text.matchAll(line)].map((match) => match.slice(1).map(Number));
}

test("docs/recipes.md shows each example unchanged, and each is at most 40 lines", () => {
  expect(names.length).toBe(5);
  expect(shown.length).toBe(names.length);
  for (const name of names) {
    expect(recipe(name), name).toBeDefined();
    expect(code(name).trimEnd().split("\n").length, name).toBeLessThanOrEqual(40);
    expect(code(name), name).toMatch(/from "gemlens";$/m);
  }
});

describe("examples", () => {
  test("feature-extraction lists the features that encoding the cache finds", async () => {
    const text = await output("feature-extraction.ts");
    const active = Number(/(\d+) of them active/.exec(text)?.[1]);
    expect(active).toBeGreaterThan(50);
    expect(text).toContain(`encoded from the cache: ${active} active`);
    expect(text.match(/^".*" +\d+ \(\d+\.\d\)/gm)?.length).toBe(12);
    expect(Number(/left over: ([\d.]+) %/.exec(text)?.[1])).toBeLessThan(30);
  });

  test("attribution's estimates agree with ablation in sign and rough size", async () => {
    const found = rows(await output("attribution.ts"), /estimated (\S+) +exact (\S+)/g);
    expect(found.length).toBe(6);
    const sizes = found.map(([estimated = 0]) => Math.abs(estimated));
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    for (const [estimated = 0, exact = 0] of found) {
      expect(Math.sign(estimated)).toBe(Math.sign(exact));
      expect(Math.abs(estimated - exact)).toBeLessThan(Math.max(1, 0.5 * Math.abs(exact)));
    }
  });

  test("ablation removes the prediction; a splice with its error term keeps it", async () => {
    const p = rows(await output("ablation.ts"), /" Japanese" ([\d.]+)/g).map(([p = 0]) => p);
    const [plain = 0, without = 1, mean = 1, spliced = 0, bare = 1] = p;
    expect(plain).toBeGreaterThan(0.2);
    expect(without).toBeLessThan(plain / 10);
    expect(mean).toBeLessThan(plain / 10);
    expect(spliced).toBe(plain);
    expect(Math.abs(bare - plain)).toBeGreaterThan(0.05);
  });

  test("steering has the same effect as data and as a hook, and more with more strength", async () => {
    const text = await output("steering.ts");
    const [, plain, data, hook] = /plain: +(.*)\nas data: +(.*)\nas hook: +(.*)\n/.exec(text) ?? [];
    expect(hook).toBe(data);
    expect(data).not.toBe(plain);
    expect(data).toMatch(/\b(golden|red|blue|green|yellow|silver|brown|black|white)\b/);
    expect(text).toContain("logits equal: true");
    const sweep = /p of .*: (.*)/.exec(text)?.[1]?.split(/ +/).map(Number) ?? [];
    expect(sweep.length).toBe(4);
    expect(sweep).toEqual([...sweep].sort((a, b) => a - b));
    expect(sweep.at(-1)).toBeGreaterThan(10 * (sweep[0] ?? 1));
  });

  test("transcoder-comparison finds that transcoders can replace the MLPs", async () => {
    const text = await output("transcoder-comparison.ts");
    const line = /^\d +(?:transcoder|SAE) +(\S+) +(\S+) +(\S+)$/gm;
    const found = rows(text, line);
    expect(found.length).toBe(8);
    for (const [l0, fvu, recovered] of found) {
      expect(l0).toBeGreaterThan(10);
      expect(l0).toBeLessThan(40);
      expect(fvu).toBeLessThan(0.3);
      expect(recovered).toBeGreaterThan(0.9);
    }
    const [loss = 0] = rows(text, /loss of the model: (\S+)/g)[0] ?? [];
    const [replaced = 0] = rows(text, /for all MLPs: (\S+)/g)[0] ?? [];
    expect(replaced).toBeGreaterThan(loss);
    expect(replaced).toBeLessThan(loss + 0.5);
  });
});
