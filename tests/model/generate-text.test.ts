import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer } from "../../lib/index.js";
import { writeChainModel } from "../support/chain-model.js";
import { device, failure } from "../support/compare.js";
import { newFolder } from "../support/folder.js";

// "☃" is no token of the vocabulary; it takes three byte tokens.
const story = "the cat☃ sings\nloud";
const greedy = { temperature: 0, maxNewTokens: 40 };

describe("generated text", () => {
  let folder: string;
  let model: HookedTransformer;
  let chain: number[];
  beforeAll(async () => {
    folder = newFolder();
    chain = writeChainModel(folder, story);
    model = await HookedTransformer.fromPretrained(folder, { device });
  });
  afterAll(async () => {
    await model.dispose();
  });

  test("comes token by token, splits no character, and ends at the end token", async () => {
    const tokens: number[] = [];
    const pieces: string[] = [];
    for await (const { token, text } of model.generate([2, chain[0] as number], greedy)) {
      tokens.push(token);
      pieces.push(text);
    }
    expect(tokens).toEqual(chain.slice(1));
    expect(pieces.join("")).toBe(story.slice(model.decode([chain[0] as number]).length));
    expect(pieces.filter((piece) => piece.includes("☃"))).toEqual(["☃"]);
    expect(pieces.join("")).not.toContain("\ufffd");
    expect(pieces.at(-1)).toBe("");
  });

  test("comes whole from text(), for a text or for ids", async () => {
    const start = model.decode([chain[0] as number]);
    const rest = story.slice(start.length);
    expect(await model.generate([2, chain[0] as number], greedy).text()).toBe(rest);
    expect(await model.generate(start, greedy).text()).toBe(rest);
  });

  test("ends each row of a batch separately", async () => {
    const starts = [0, 1, chain.length - 2].map((i) => [2, ...chain.slice(0, i + 1)]);
    const texts = await model.generate(starts, greedy).texts();
    for (const [row, ids] of starts.entries()) {
      const given = model.decode(ids, { skipSpecialTokens: true });
      expect(given + texts[row]).toBe(story);
    }
    const counts = [0, 0, 0];
    for await (const { batch } of model.generate(starts, greedy))
      counts[batch] = (counts[batch] ?? 0) + 1;
    expect(counts).toEqual([chain.length - 1, chain.length - 2, 1]);
  });

  test("continues past the end token on request", async () => {
    const tokens: number[] = [];
    const options = { ...greedy, maxNewTokens: chain.length + 3, stopAtEos: false };
    for await (const { token } of model.generate([2, chain[0] as number], options))
      tokens.push(token);
    expect(tokens).toHaveLength(chain.length + 3);
    expect(tokens.slice(0, chain.length - 1)).toEqual(chain.slice(1));
    const text = await model.generate([2, chain[0] as number], options).text();
    expect(text).not.toContain("<eos>");
  });

  test.each([" sings", "ings\nl", "☃ s", "g"])("ends before the stop string %j", async (stop) => {
    const pieces: string[] = [];
    let tokens = 0;
    const rest = story.slice(model.decode([chain[0] as number]).length);
    for await (const { text } of model.generate([2, chain[0] as number], {
      ...greedy,
      stop: [stop],
    })) {
      pieces.push(text);
      tokens++;
    }
    expect(pieces.join("")).toBe(rest.slice(0, rest.indexOf(stop)));
    expect(tokens).toBeLessThan(chain.length - 1);
  });

  test("includes held-back text if the stop string stays incomplete", async () => {
    const rest = story.slice(model.decode([chain[0] as number]).length);
    const stop = ["loudly", " sings\nlow"];
    expect(await model.generate([2, chain[0] as number], { ...greedy, stop }).text()).toBe(rest);
    // Also if the tokens end in the middle of it.
    const some = { ...greedy, maxNewTokens: chain.length - 2, stop };
    expect(await model.generate([2, chain[0] as number], some).text()).toBe(rest);
  });

  test("tokenizes its input as every run does", async () => {
    using logits = await model.forward("the cat", { positions: [-1] });
    const tokens = model.toTokens("the cat");
    expect(tokens.ids[0]).toBe(2);
    expect([...tokens.ids.subarray(1)]).toEqual(chain.slice(0, tokens.ids.length - 1));
    const best = logits.argmax({ dim: -1 }).item();
    expect(Number(best)).toBe(chain[tokens.ids.length - 1]);
    expect(model.toStrTokens("the cat").slice(1).join("")).toBe("the cat");
    expect(model.toTokens("<bos>the cat").ids).toEqual(tokens.ids);
    expect(model.toTokens(["the cat", "the"]).shape).toEqual([2, tokens.ids.length]);
    expect(model.toTokens("the cat", { prependBos: false }).ids[0]).toBe(chain[0]);
    const id = model.toSingleToken(model.decode([chain[1] as number]));
    expect(id).toBe(chain[1]);
  });

  test("generates from one BOS for empty text, and is refused without it", async () => {
    using logits = await model.forward("");
    expect(logits.shape[1]).toBe(1);
    for (const call of [
      () => model.forward("", { prependBos: false }),
      () => model.forward(["the", ""], { prependBos: false }),
      () => model.forward([] as string[]),
      () => model.generate("", { prependBos: false }).text(),
      () => model.toTokens("", { prependBos: false }),
    ]) {
      const error = await failure(call);
      expect(error.code).toBe("ARGUMENT");
      expect(error.message).toContain("at least one token");
    }
  });

  test("follows the model's template for a conversation", async () => {
    const prompt = model.applyChatTemplate([{ role: "user", content: "the cat" }]);
    expect(prompt).toContain("<start_of_turn>user\nthe cat<end_of_turn>");
    const { ids } = model.toTokens(prompt);
    expect(ids.filter((id) => id === 2)).toHaveLength(1);
  });
});
