import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { type ChatMessage, GemlensError, Tokenizer } from "../../lib/index.js";
import { newFolder } from "../support/folder.js";

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
const folder = join(fixtures, "tokenizer");

interface Case {
  text: string;
  ids: number[];
  idsWithBos: number[];
  strTokens: string[];
  decoded: string;
  decodedSkippingSpecial: string;
}
interface Chat {
  messages: ChatMessage[];
  addGenerationPrompt: boolean;
  rendered?: string;
  ids?: number[];
  error?: string;
}
interface Padded {
  ids: number[][];
  mask: number[][];
}
// Python's tokenizers and transformers made the expected values.
interface Expected {
  vocabulary: number;
  cases: Case[];
  batch: { texts: string[]; left: Padded; right: Padded };
  chat: Chat[];
}

const read = (name: string): Expected =>
  JSON.parse(readFileSync(join(fixtures, name, "expected.json"), "utf8")) as Expected;
const expected = read("tokenizer");
const tokenizer = Tokenizer.fromFolder(folder);

function codeAndMessage(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    if (GemlensError.is(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("expected a GemlensError, got a result");
}

describe("encoding equals Python's tokenizers", () => {
  test.each(expected.cases)("$text", (example) => {
    const { text } = example;
    expect([...tokenizer.encode(text, { prependBos: false })]).toEqual(example.ids);
    expect([...tokenizer.encode(text)]).toEqual(
      // Python's post-processor doubles a BOS that the text has; ours never does.
      example.ids[0] === 2 ? example.ids : example.idsWithBos,
    );
    expect(tokenizer.toStrTokens(example.ids)).toEqual(example.strTokens);
    expect(tokenizer.toStrTokens(text, { prependBos: false })).toEqual(example.strTokens);
    expect(tokenizer.decode(example.ids)).toBe(example.decoded);
    expect(tokenizer.decode(example.ids, { skipSpecialTokens: true })).toBe(
      example.decodedSkippingSpecial,
    );
  });

  test("streams the same text, token by token", () => {
    for (const { ids, decoded } of expected.cases) {
      const stream = tokenizer.stream();
      const pieces = ids.map((id) => stream.push(id));
      expect(pieces.join("") + stream.end()).toBe(decoded);
    }
  });

  test.each(["left", "right"] as const)("pads a batch on the %s", (paddingSide) => {
    const { texts } = expected.batch;
    const { ids, mask, shape } = tokenizer.encodeBatch(texts, { paddingSide });
    const want = expected.batch[paddingSide];
    expect(shape).toEqual([texts.length, want.ids[0]?.length]);
    expect([...ids]).toEqual(want.ids.flat());
    expect([...mask]).toEqual(want.mask.flat());
  });

  test("has its special tokens and size", () => {
    expect(tokenizer.bosTokenId).toBe(2);
    expect(tokenizer.eosTokenIds).toEqual([1]);
    expect(tokenizer.padTokenId).toBe(0);
    expect(tokenizer.vocabSize).toBe(expected.vocabulary);
    expect([...tokenizer.specialTokenIds]).toContain(2);
  });
});

describe.each(["tokenizer", "tokenizer-gemma3"])("chat template of %s", (name) => {
  const chats = read(name).chat.map((chat, index) => ({ index, ...chat }));
  const own = Tokenizer.fromFolder(join(fixtures, name));

  test.each(chats)(
    "conversation $index",
    ({ messages, addGenerationPrompt, rendered, ids, error }) => {
      if (error !== undefined) {
        const refused = codeAndMessage(() =>
          own.applyChatTemplate(messages, { addGenerationPrompt }),
        );
        expect(refused.code).toBe("ARGUMENT");
        expect(refused.message).toContain(error);
        return;
      }
      const prompt = own.applyChatTemplate(messages, { addGenerationPrompt });
      expect(prompt).toBe(rendered);
      // The template wrote a BOS already, so no second one is added.
      expect([...own.encode(prompt)]).toEqual(ids);
    },
  );
});

describe("edge cases", () => {
  test("never doubles the BOS", () => {
    expect([...tokenizer.encode("<bos>")]).toEqual([2]);
    expect([...tokenizer.encode("<bos>the")].filter((id) => id === 2)).toHaveLength(1);
    expect([...tokenizer.encode("", { prependBos: false })]).toEqual([]);
  });

  test("keeps a leading U+FEFF through encode and decode", () => {
    const text = "\ufeffthe";
    expect(tokenizer.decode(tokenizer.encode(text, { prependBos: false }))).toBe(text);
  });

  test("holds back a character until its last byte", () => {
    const stream = tokenizer.stream();
    const ids = [...tokenizer.encode("🙂 the", { prependBos: false })];
    const pieces = ids.map((id) => stream.push(id));
    expect(ids.length).toBeGreaterThan(4);
    expect(pieces.slice(0, 3)).toEqual(["", "", ""]);
    expect(pieces[3]).toBe("🙂");
    expect(stream.end()).toBe("");
  });

  test("gives replacement characters for invalid UTF-8, as decode does", () => {
    const first = tokenizer.encode("🙂", { prependBos: false })[0] as number;
    const stream = tokenizer.stream();
    expect(stream.push(first)).toBe("");
    expect(stream.push(first) + stream.end()).toBe("\ufffd\ufffd");
    expect(tokenizer.decode([first, first])).toBe("\ufffd\ufffd");
  });

  test("omits special tokens from a stream on request", () => {
    const stream = tokenizer.stream({ skipSpecialTokens: true });
    const ids = [...tokenizer.encode("the sea<end_of_turn>")];
    expect(ids.map((id) => stream.push(id)).join("")).toBe("the sea");
  });

  test("gives no text for an id above the vocabulary", () => {
    expect(tokenizer.decode([expected.vocabulary + 5])).toBe("");
    expect(tokenizer.decode([])).toBe("");
  });

  test.each([[-1], [1.5], [Number.NaN]])("refuses %s as an id", (id) => {
    expect(codeAndMessage(() => tokenizer.decode([id])).code).toBe("ARGUMENT");
  });

  test("finds a single token, or names the tokens of a longer text", () => {
    const id = tokenizer.toSingleToken(" the");
    expect(tokenizer.decode(id)).toBe(" the");
    const refused = codeAndMessage(() => tokenizer.toSingleToken(" the river"));
    expect(refused.code).toBe("ARGUMENT");
    expect(refused.message).toMatch(
      /^toSingleToken: expected one token for " the river", got \d: " the" /,
    );
    expect(codeAndMessage(() => tokenizer.toSingleToken("")).message).toContain("got none");
    // Most people ask for words without the leading space first.
    const words = ["river", "flower", "little", "friend", "garden"];
    const split = words.filter((word) => tokenizer.encode(word, { prependBos: false }).length > 1);
    const whole = split.find(
      (word) => tokenizer.encode(` ${word}`, { prependBos: false }).length === 1,
    );
    expect(whole).toBeDefined();
    expect(codeAndMessage(() => tokenizer.toSingleToken(whole as string)).message).toMatch(
      new RegExp(`; " ${whole}", with a space before it, is one$`),
    );
  });

  test("refuses an empty batch and an unknown padding side", () => {
    expect(codeAndMessage(() => tokenizer.encodeBatch([])).code).toBe("ARGUMENT");
    const side = { paddingSide: "middle" as "left" };
    expect(codeAndMessage(() => tokenizer.encodeBatch(["a"], side)).message).toContain("middle");
    expect(codeAndMessage(() => tokenizer.applyChatTemplate([])).code).toBe("ARGUMENT");
  });

  test("encodes lone surrogates without throwing", () => {
    const ids = tokenizer.encode("a\ud800b", { prependBos: false });
    expect(tokenizer.decode(ids)).toMatch(/^a\ufffd+b$/);
  });
});

describe("missing or broken files", () => {
  let dir: string;
  beforeAll(() => {
    dir = newFolder();
  });

  const original = (file: string): Record<string, unknown> =>
    JSON.parse(readFileSync(join(folder, file), "utf8")) as Record<string, unknown>;

  /** A copy of the fixture with one file's text replaced. */
  function broken(name: string, file: string, text: string): Tokenizer {
    const copy = join(dir, name);
    cpSync(folder, copy, { recursive: true });
    writeFileSync(join(copy, file), text);
    return Tokenizer.fromFolder(copy);
  }

  test("are opened at first use, and the error names a missing file", () => {
    const missing = Tokenizer.fromFolder(join(dir, "nowhere"));
    const refused = codeAndMessage(() => missing.encode("a"));
    expect(refused.code).toBe("TOKENIZER");
    expect(refused.message).toMatch(/nowhere\/tokenizer\.json: .*ENOENT/);
  });

  const vocabulary = (vocab: unknown): string =>
    JSON.stringify({ ...original("tokenizer.json"), model: { type: "BPE", vocab, merges: [] } });

  test.each([
    ["truncated", "tokenizer.json", () => '{"model":', "JSON"],
    ["an array", "tokenizer.json", () => "[]", "file"],
    ["missing model", "tokenizer.json", () => "{}", "model"],
    ["missing vocabulary", "tokenizer.json", () => '{"model":{"type":"BPE"}}', "model.vocab"],
    ["negative id", "tokenizer.json", () => vocabulary({ a: -1 }), 'model.vocab["a"]'],
    ["huge id", "tokenizer.json", () => vocabulary({ a: 4e9 }), 'model.vocab["a"]'],
    ["textual id", "tokenizer.json", () => vocabulary({ a: "0" }), 'model.vocab["a"]'],
    [
      "unknown decoder",
      "tokenizer.json",
      () => '{"model":{"vocab":{},"merges":[]},"decoder":{"type":"X"}}',
      "decoder.type",
    ],
    [
      "bad added token",
      "tokenizer.json",
      () => '{"model":{"vocab":{}},"added_tokens":[{"id":1}]}',
      "added_tokens.0.content",
    ],
    ["unknown bos", "tokenizer_config.json", () => '{"bos_token":"<nothing>"}', "bos_token"],
    ["bos is a number", "tokenizer_config.json", () => '{"bos_token":3}', "bos_token"],
    ["bad config", "tokenizer_config.json", () => "{", "JSON"],
    ["bad template list", "tokenizer_config.json", () => '{"chat_template":3}', "chat_template"],
    ["bad map", "special_tokens_map.json", () => '{"eos_token":[]}', "eos_token"],
  ])("%s in %s", (name, file, text, field) => {
    const refused = codeAndMessage(() =>
      broken(name.replaceAll(" ", "-"), file, text()).encode("a"),
    );
    expect(refused.code).toBe("TOKENIZER");
    expect(refused.message).toContain(`${file}: `);
    expect(refused.message).toContain(` for ${field}, `);
  });

  test("are made up for by special_tokens_map.json and a separate template file", () => {
    const { chat_template: _, bos_token: __, ...config } = original("tokenizer_config.json");
    const copy = broken("split", "tokenizer_config.json", JSON.stringify(config));
    expect(
      codeAndMessage(() => copy.applyChatTemplate([{ role: "user", content: "a" }])).code,
    ).toBe("TOKENIZER");
    const own = broken("jinja", "chat_template.jinja", "{{ bos_token }}{{ messages[0].content }}!");
    expect(copy.bosTokenId).toBe(2);
    expect(own.applyChatTemplate([{ role: "user", content: "a" }])).toBe("<bos>a!");
  });

  test("raise an error that names an unparsable template", () => {
    const own = broken("jinja-broken", "chat_template.jinja", "{% if %}");
    const refused = codeAndMessage(() => own.applyChatTemplate([{ role: "user", content: "a" }]));
    expect(refused.code).toBe("TOKENIZER");
    expect(refused.message).toContain("chat_template");
  });

  test("fail for a missing BOS only if one is prepended", () => {
    const { bos_token: _, ...config } = original("tokenizer_config.json");
    const text = JSON.stringify(config);
    const own = broken("no-bos", "tokenizer_config.json", text);
    rmSync(join(dir, "no-bos", "special_tokens_map.json"));
    expect(own.encode("the", { prependBos: false })).toEqual(
      tokenizer.encode("the", { prependBos: false }),
    );
    expect(codeAndMessage(() => own.encode("the")).message).toContain("bos_token");
  });
});
