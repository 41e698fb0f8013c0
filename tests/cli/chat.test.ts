import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Tokenizer } from "../../lib/index.js";
import { gemlens, root } from "../support/cli.js";
import { newFolder } from "../support/folder.js";

const assets = join(root, "assets/tiny-gemma2");
const tokenizer = Tokenizer.fromFolder(assets);
// Written by hand in the format of Gemma's own template.
const text = "The sea";
const prompt = `<bos><start_of_turn>user\n${text}<end_of_turn>\n<start_of_turn>model\n`;
const ids = [...tokenizer.encode(prompt, { prependBos: false })];

const folder = newFolder();

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await gemlens([...args, "--chat", "--json", text]);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

describe("--chat", () => {
  test("encodes features on the template's tokens, with one BOS", async () => {
    const { tokens } = await json("features", "--layer", "1");
    expect((tokens as { id: number }[]).map(({ id }) => id)).toEqual(ids);
    expect(ids.filter((id) => id === 2)).toHaveLength(1);
  });

  test("generates and steers from the model's turn", async () => {
    const generated = await json("generate", "--temperature", "0", "--max-new-tokens", "3");
    const plain = await gemlens([
      "generate",
      "--temperature",
      "0",
      "--json",
      "--max-new-tokens",
      "3",
      prompt,
    ]);
    const last = JSON.parse(plain.stdout.trim().split("\n").at(-1) ?? "") as { text: string };
    expect(generated).toMatchObject({ prompt, text: last.text });
    expect(await json("steer", "2:966:4", "--max-new-tokens", "1")).toMatchObject({ prompt });
  });

  test("ablates and attributes on the model's turn", async () => {
    const { tokens } = await json("ablate", "2:966");
    expect((tokens as { text: string }[]).map((one) => one.text).join("")).toBe(prompt);
    const { features } = await json("attribute", "--layer", "1", "--top", "200");
    const positions = (features as { position: number }[]).map(({ position }) => position);
    expect(Math.max(...positions)).toBe(ids.length - 1);
    expect(Math.min(...positions)).toBeGreaterThan(0);
  });

  test("refuses a model without a template, and names the remedy", async () => {
    cpSync(assets, folder, { recursive: true, filter: (path) => !path.includes("gemma-scope") });
    const config = join(folder, "tokenizer_config.json");
    const { chat_template: _, ...rest } = JSON.parse(readFileSync(config, "utf8")) as object & {
      chat_template: unknown;
    };
    writeFileSync(config, JSON.stringify(rest));
    const { code, stderr } = await gemlens(["generate", "--model", folder, "--chat", text]);
    expect(code).toBe(1);
    expect(stderr).toContain("TOKENIZER");
    expect(stderr).toContain("chat_template");
    expect(stderr).toContain("-it");
  });
});
