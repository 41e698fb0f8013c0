import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, hook } from "../../lib/index.js";
import { gemlens, root } from "../support/cli.js";
import { device } from "../support/compare.js";
import { newFolder } from "../support/folder.js";

// <end_of_turn> is special but no end token here; <start_of_turn> is added but not special.
let folder: string;
let model: HookedTransformer;
let turn: number;
beforeAll(async () => {
  folder = newFolder();
  const from = join(root, "assets/tiny-gemma2");
  cpSync(from, folder, { recursive: true, filter: (path) => !path.includes("gemma-scope") });
  const file = join(folder, "tokenizer.json");
  const json = JSON.parse(readFileSync(file, "utf8")) as {
    added_tokens: { content: string; special: boolean }[];
  };
  for (const token of json.added_tokens) {
    if (token.content === "<start_of_turn>") token.special = false;
  }
  writeFileSync(file, JSON.stringify(json));
  const ends = { bos_token_id: 2, eos_token_id: 1, pad_token_id: 0 };
  writeFileSync(join(folder, "generation_config.json"), JSON.stringify(ends));
  model = await HookedTransformer.fromPretrained(folder, { device, dtype: "float32" });
  turn = model.toSingleToken("<end_of_turn>");
});
afterAll(async () => {
  await model.dispose();
});

const ids = (text: string): number[] => [...model.toTokens(text, { prependBos: false }).ids];

interface Row {
  tokens: number[];
  text: string;
}

/** Generates exactly these tokens in each row, with `stop`. */
async function forced(lists: readonly (readonly number[])[], stop: string[]): Promise<Row[]> {
  const rows = lists.map((): Row => ({ tokens: [], text: "" }));
  const force = hook("unembed.hook_out", (logits, { step }) => {
    logits.fill_(-30);
    for (const [row, list] of lists.entries()) {
      const want = list[step] as number;
      logits
        .slice(0, row, row + 1)
        .slice(2, want, want + 1)
        .fill_(30);
    }
  });
  const options = { temperature: 0, maxNewTokens: lists[0]?.length ?? 0, hooks: [force], stop };
  // The prompt contains a stop string of some cases, which must not match.
  const prompts = lists.map(() => "day<end_of_turn>\n");
  for await (const { batch: row, token, text } of model.generate(prompts, options)) {
    rows[row]?.tokens.push(token);
    (rows[row] as Row).text += text;
  }
  return rows;
}

/** The expected result, by decoding every prefix of the list anew. */
function expectedRow(list: readonly number[], stop: readonly string[]): Row {
  // An incomplete character counts as no text.
  const full = (count: number): string =>
    model.decode(list.slice(0, count)).replace(/\ufffd+$/, "");
  const shown = (count: number, before: number): string => {
    let text = "";
    for (let i = 0; i < count; i++) {
      const isHidden = model.tokenizer.specialTokenIds.has(list[i] as number);
      if (!isHidden) text += full(i + 1).slice(full(i).length, Math.max(before, full(i).length));
    }
    return text;
  };
  for (let count = 1; count <= list.length; count++) {
    const starts = stop.map((one) => full(count).indexOf(one)).filter((start) => start >= 0);
    const before = starts.length > 0 ? Math.min(...starts) : full(count).length;
    if (starts.length === 0 && list[count - 1] !== 1 && count < list.length) continue;
    return { tokens: list.slice(0, count), text: shown(count, before) };
  }
  throw new Error("an empty list");
}

describe("stop strings match the generated text", () => {
  // [text before, stop strings, text shown, tokens drawn]; "|" is <end_of_turn>.
  test.each<[string, string[], string]>([
    ["the token itself", ["<end_of_turn>"], "One day"],
    ["the token and its right neighbour", ["<end_of_turn>\n"], "One day"],
    ["the token and its left neighbour", ["day<end_of_turn>"], "One "],
    ["beginning inside it", ["turn>\n m"], "One day"],
    ["ending inside it", ["y<end_"], "One da"],
    ["across it", ["ay<end_of_turn>\n mo"], "One d"],
    ["the text of both its sides without it", ["day\n", "y\n more"], "One day\n more"],
    ["the earliest of several", ["more", "ne d", "<end_of_turn>"], "O"],
    ["the end token, which ends the row itself", ["more<eos>"], "One day\n "],
    ["never", ["<start_of_turn>"], "One day\n more"],
  ])("%s", async (_, stop, text) => {
    const list = [...ids("One day"), turn, ...ids("\n"), ...ids(" more"), 1, 1];
    const [row] = await forced([list], stop);
    expect(row?.text).toBe(text);
    expect(row).toEqual(expectedRow(list, stop));
  });

  test("shows an added token that is not special, and matches it", async () => {
    const list = [...ids("day<start_of_turn> more"), ...ids(" day")];
    expect((await forced([list], ["zebra"]))[0]?.text).toBe("day<start_of_turn> more day");
    expect((await forced([list], ["of_turn> m"]))[0]?.text).toBe("day<start_");
  });

  test("equals decoding from scratch, for 400 random rows", async () => {
    const pool = [...ids("One day saw"), ...ids("\n"), ...ids(" more"), ...ids("a☃é"), turn, turn];
    pool.push(model.toSingleToken("<start_of_turn>"), 1);
    let state = 7;
    const random = (below: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    // Whole characters, never two in a row: `decode` replaces a run of bytes that ends inside a
    // character with U+FFFD as a whole.
    const words = [
      ...pool.filter((id) => !/[\ufffd]/.test(model.decode(id))).map((id) => [id]),
      ids("☃"),
      ids("é"),
    ];
    let stopped = 0;
    for (let round = 0; round < 10; round++) {
      const lists = Array.from({ length: 40 }, () =>
        Array.from({ length: 12 }, () => words[random(words.length)] as number[])
          .flat()
          .slice(0, 9),
      ).filter((list) => !/\ufffd|[☃é]{2}/.test(model.decode(list)));
      const text = model.decode(lists[0] as number[]);
      const cut = (): string => {
        const start = random(text.length - 1);
        return text.slice(start, start + 1 + random(18));
      };
      const stop = [cut(), cut()];
      const rows = await forced(lists, stop);
      expect(rows).toEqual(lists.map((list) => expectedRow(list, stop)));
      stopped += rows.filter(({ tokens }) => tokens.length < 9).length;
    }
    expect(stopped).toBeGreaterThan(20);
  });

  test("works on the command line, too", async () => {
    const flags = ["--temperature", "0", "--max-new-tokens", "12", "--json"];
    const run = async (...stop: string[]) => {
      const { stdout } = await gemlens([
        "generate",
        "--model",
        folder,
        ...flags,
        ...stop,
        "One day",
      ]);
      return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { text: string; tokens: number };
    };
    const plain = await run();
    const stop = plain.text.slice(8, 11);
    expect((await run("--stop", stop)).text).toBe(plain.text.slice(0, plain.text.indexOf(stop)));
  });
});
