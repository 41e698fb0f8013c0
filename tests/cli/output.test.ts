import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, SAE } from "../../lib/index.js";
import { assets, bundled } from "../support/bundled.js";
import { gemlens } from "../support/cli.js";
import { device } from "../support/compare.js";
import { newFolder } from "../support/folder.js";

// Tests terminal output: widths, bytes, control characters, and outputs that refuse writes.
const esc = "\u001b";

/** Tokens with their expected text and their width in terminal cells. */
const odd: readonly (readonly [token: string, shown: string, cells: number])[] = [
  ["快速", '"快速"', 6],
  ["ｗ", '"ｗ"', 4],
  ["e\u0301\u0323", '"e\u0301\u0323"', 3],
  ["👩‍👩‍👧", '"👩‍👩‍👧"', 4],
  ["안녕", '"안녕"', 6],
  [`${esc}[31m`, '"\\u001b[31m"', 12],
  ["\u009b2J", '"\\u009b2J"', 10],
  ["\u202eabc", '"\\u202eabc"', 11],
  ["\u200b", '"\\u200b"', 8],
  ["\u007f", '"\\u007f"', 8],
  ["\u2028", '"\\u2028"', 8],
];

let folder: string;
beforeAll(() => {
  folder = newFolder();
  for (const name of readdirSync(assets)) {
    if (/^tokenizer|special/.test(name)) cpSync(join(assets, name), join(folder, name));
  }
  const path = join(folder, "tokenizer.json");
  const tokenizer = JSON.parse(readFileSync(path, "utf8"));
  const flags = { special: false, normalized: false, lstrip: false, rstrip: false };
  const ids = Object.keys(tokenizer.model.vocab).length;
  for (const [i, [content]] of odd.entries()) {
    tokenizer.added_tokens.push({ id: ids + i, content, single_word: false, ...flags });
  }
  writeFileSync(path, JSON.stringify(tokenizer));
});

describe("printed tokens", () => {
  test("are quoted at their own width, and send no control characters to the terminal", async () => {
    const text = odd.map(([token]) => token).join("");
    const { stdout } = await gemlens(["tokens", "--no-bos", "--model", folder, text]);
    const lines = stdout.trimEnd().split("\n").slice(1);
    expect(lines.map((line) => line.replace(/^ *\d+ +\d+ {2}/, ""))).toEqual(
      odd.map(([, shown]) => shown),
    );
    const json = await gemlens(["tokens", "--no-bos", "--json", "--model", folder, text]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the output must not contain them
    expect(json.stdout.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    const { tokens } = JSON.parse(json.stdout) as { tokens: { text: string }[] };
    expect(tokens.map(({ text }) => text)).toEqual(odd.map(([token]) => token));
  });

  test("show the byte's number for a token of one byte of a character, in JSON too", async () => {
    const bytes = [...Buffer.from("快")];
    const { stdout } = await gemlens(["tokens", "--no-bos", "a 快"]);
    const names = bytes.map((byte) => `<0x${byte.toString(16).toUpperCase()}>`);
    expect([...stdout.matchAll(/ {2}(<0x.*>)$/gm)].map(([, name]) => name)).toEqual(names);
    const json = await gemlens(["tokens", "--no-bos", "--json", "a 快"]);
    const { tokens } = JSON.parse(json.stdout) as { tokens: { text: string; byte?: number }[] };
    expect(tokens.map(({ byte }) => byte).filter((byte) => byte !== undefined)).toEqual(bytes);
    expect(tokens.at(-1)?.text).toBe("\ufffd");
    expect(tokens[0]).not.toHaveProperty("byte");
  });
});

describe("printed tables", () => {
  const text = "One sunny day, Lily saw a red bird.";

  test.each([36, 60])("fit a terminal of %i columns, and keep their columns", async (columns) => {
    const env = { COLUMNS: `${columns}` };
    const { stdout } = await gemlens(["features", "--device", device, text], { env });
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
    const starts = lines.filter((line) => /^ *\d+ {2}"/.test(line));
    expect(lines.length).toBeGreaterThan(starts.length);
    const third = (starts[1] as string).search(/(?<=" +)\d/);
    for (const line of lines) {
      if (!starts.includes(line)) expect(line.search(/\S/)).toBe(third);
    }
    const wide = await gemlens(["features", "--device", device, text], { env: { COLUMNS: "400" } });
    const rows = wide.stdout.trimEnd().split("\n");
    expect(rows.length).toBe(starts.length);
    // Folding keeps all words.
    const words = (all: string) => all.split(/\s+/).sort();
    expect(words(stdout)).toEqual(words(wide.stdout));
  });

  test("have 100 columns without a terminal, and split into several tables if necessary", async () => {
    const env = { COLUMNS: "" };
    const saes = [0, 1, 2, 3].flatMap((layer) => ["--sae", bundled(layer)]);
    const args = ["evaluate", "--device", device, "--max-tokens", "200", ...saes];
    const whole = await gemlens(args, { env });
    for (const line of whole.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
    expect(whole.stdout).toMatch(/^ +res\/0 +res\/1 +res\/2 +res\/3$/m);
    const narrow = await gemlens(args, { env: { COLUMNS: "60" } });
    for (const line of narrow.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(60);
    expect(narrow.stdout.match(/^tokens /gm)?.length).toBeGreaterThan(1);
    expect(narrow.stdout.match(/res\/\d/g)).toEqual(["res/0", "res/1", "res/2", "res/3"]);
  });
});

describe("gemlens features", () => {
  const text = "One sunny day, Lily saw a red bird.";

  test("shows chosen features token by token, across coders", async () => {
    await using model = await HookedTransformer.fromPretrained("tiny", {
      device,
      dtype: "float32",
    });
    using res = await SAE.fromFile(bundled(2), { device });
    using mlp = await SAE.fromFile(bundled(1, "mlp"), { device });
    using run = await model.runWithCache(text, { names: [], features: [res, mlp], logits: false });
    const position = model.toStrTokens(text).indexOf(" red");
    const [a] = await run.features(res).at({ position });
    const [b] = await run.features(mlp).at({ position });
    const flags = ["--feature", `2:${a?.feature}`, "--feature", `mlp/1:${b?.feature}`];
    const { code, stdout } = await gemlens(["features", "--device", device, ...flags, text]);
    expect(code).toBe(0);
    const [head, ...rows] = stdout.trimEnd().split("\n");
    expect(head).toMatch(new RegExp(`^position  token +2:${a?.feature}  mlp/1:${b?.feature}$`));
    for (const row of rows) expect(row.length).toBe((head as string).length);
    expect(rows.length).toBe(model.toStrTokens(text).length);
    const json = await gemlens(["features", "--device", device, "--json", ...flags, text]);
    const out = JSON.parse(json.stdout) as {
      features: { hookName: string; feature: number }[];
      tokens: { text: string; values: (number | null)[] }[];
    };
    expect(out.features).toMatchObject([
      { hookName: res.cfg.hookName, feature: a?.feature },
      { hookName: mlp.cfg.hookName, feature: b?.feature },
    ]);
    expect(out.tokens[0]?.values).toEqual([null, null]);
    for (const [position, { values }] of out.tokens.entries()) {
      if (position === 0) continue;
      for (const [i, [coder, feature]] of (
        [
          [res, a?.feature],
          [mlp, b?.feature],
        ] as const
      ).entries()) {
        const active = await run.features(coder).at({ position });
        const want = active.find((one) => one.feature === feature)?.value ?? 0;
        expect(values[i]).toBeCloseTo(want, 3);
      }
    }
  });

  test("finds bundled coders by site, and prints several files as one JSON line each", async () => {
    const args = ["features", "--device", device, "--json", text];
    const site = await gemlens([...args, "--site", "att", "--layer", "1", "--layer", "3"]);
    const files = [bundled(1, "att"), bundled(3, "att")];
    const several = await gemlens([...args, ...files.flatMap((path) => ["--sae", path])]);
    expect([site.code, site.stdout]).toEqual([0, several.stdout]);
    const lines = site.stdout.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).coder.path)).toEqual(files);
    const shown = await gemlens(["features", "--site", "transcoder", "--layer", "0", text]);
    expect(shown.stderr).toContain("blocks.0.ln2.hook_normalized");
    expect(shown.stderr).toContain("features of assets/tiny-gemma2/gemma-scope/transcoders/");
  });
});

describe("an output that refuses writes", () => {
  const full = "/dev/full";
  const message = "gemlens: can't write to standard output: no space left on device (ENOSPC)\n";

  test.concurrent.each([
    [["tokens", "x"]],
    [["features", "--json", "x"]],
    [["generate", "--max-new-tokens", "20", "x"]],
    [["generate", "--json", "--max-new-tokens", "20", "x"]],
    [["--help"]],
  ])("ends %j with one line and code 1", async (args) => {
    const { code, stderr } = await gemlens(args, { stdout: full });
    expect([code, stderr]).toEqual([1, message]);
  });

  test("drops messages if stderr refuses writes: the data and the exit code stay", async () => {
    const args = ["features", "x"];
    const { code, stdout } = await gemlens(args, { stderr: full });
    expect([code, stdout]).toEqual([0, (await gemlens(args)).stdout]);
  });

  test("ends quietly in the middle of a generation when its reader has closed the pipe", async () => {
    const args = ["generate", "--max-new-tokens", "900", "x"];
    const cut = await gemlens(args, { closeAfter: 5 });
    expect([cut.code, cut.stderr]).toEqual([0, ""]);
  });
});
