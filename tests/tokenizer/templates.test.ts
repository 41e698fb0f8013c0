import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type ChatMessage,
  type ChatTemplateOptions,
  GemlensError,
  Tokenizer,
} from "../../lib/index.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";

/** A template, its variables, and jinja2's result for them in transformers' environment. */
interface Case {
  readonly template: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly expected?: string;
  readonly error?: string;
}

const dir = newFolder();
for (const name of ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]) {
  cpSync(fixture(`tokenizer/${name}`), join(dir, name));
}

function withTemplate(template: string): Tokenizer {
  writeFileSync(join(dir, "chat_template.jinja"), template);
  return Tokenizer.fromFolder(dir);
}

const hi: ChatMessage[] = [{ role: "user", content: "Hi" }];

/** The text, or the code of the error that refuses it. */
function render(
  tokenizer: Tokenizer,
  messages: ChatMessage[],
  options: ChatTemplateOptions,
): string {
  try {
    return tokenizer.applyChatTemplate(messages, options);
  } catch (error) {
    if (GemlensError.is(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}

function renderCase({ template, variables }: Case): string {
  const {
    messages,
    tools,
    documents: _,
    add_generation_prompt: __,
    bos_token: ___,
    ...rest
  } = variables;
  const given = tools === null ? {} : { tools: tools as Record<string, unknown>[] };
  return render(withTemplate(template), messages as ChatMessage[], { ...given, variables: rest });
}

/** Equal to jinja2, or refused; ARGUMENT only if jinja2 refuses it, too. */
function check(one: Case): boolean {
  const got = renderCase(one);
  const isNamed = /^TOKENIZER: .*chat_template, got /.test(got);
  if (one.error !== undefined) expect(isNamed || got.startsWith("ARGUMENT: "), got).toBe(true);
  else if (!isNamed) expect(got).toBe(one.expected);
  return isNamed;
}

describe("templates render as jinja2 renders them, or are refused by name", () => {
  const lines = readFileSync(fixture("templates/cases.jsonl"), "utf8").trim().split("\n");
  const cases = lines.map((line) => JSON.parse(line) as Case);

  test(`in ${cases.length} cases`, () => {
    const named = cases.filter(check);
    // Most of them must render.
    expect(named.length).toBeLessThan(cases.length / 8);
  });
});

describe("published templates", () => {
  const { templates, cases } = JSON.parse(
    readFileSync(fixture("templates/published.json"), "utf8"),
  ) as { templates: Record<string, string>; cases: Case[] };

  test.each(Object.keys(templates))("%s", (name) => {
    for (const one of cases.filter(({ template }) => template === name)) {
      expect(check({ ...one, template: templates[name] as string })).toBe(false);
    }
  });
});

describe("options", () => {
  // The expected texts follow transformers' apply_chat_template.
  const gemma = Tokenizer.fromFolder(fixture("tokenizer"));
  const open = "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n";
  const prefill = (content: ChatMessage["content"]) => [...hi, { role: "assistant", content }];
  const continueFinalMessage = true;

  test("continueFinalMessage leaves the last message open", () => {
    expect(gemma.applyChatTemplate(prefill("Sure:"), { continueFinalMessage })).toBe(
      `${open}Sure:`,
    );
    // Gemma's template trims the message, so the continued message is trimmed, too.
    expect(gemma.applyChatTemplate(prefill(" Sure: "), { continueFinalMessage })).toBe(
      `${open}Sure:`,
    );
    const parts = withTemplate(
      "{% for m in messages %}{% for p in m.content %}<{{ p.text }}>{% endfor %}{% endfor %}",
    );
    const content = [
      { type: "text", text: "a" },
      { type: "text", text: "b " },
    ];
    const said = [{ role: "user", content }];
    expect(parts.applyChatTemplate(said, { continueFinalMessage })).toBe("<a><b ");
    expect(content[1]).toEqual({ type: "text", text: "b " });
  });

  test("a string continues another field", () => {
    const own = withTemplate(
      "{% for m in messages %}[{{ m.reasoning_content }}|{{ m.content }}]{% endfor %}",
    );
    const said = [{ role: "assistant", content: "c", thinking: "t" }];
    expect(own.applyChatTemplate(said, { continueFinalMessage: "thinking" })).toBe("[t");
    expect(own.applyChatTemplate(said)).toBe("[t|c]");
  });

  test("tools select the template for tools, which receives them", () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    const own = withTemplate("plain {{ tools }}");
    expect(own.applyChatTemplate(hi)).toBe("plain None");
    mkdirSync(join(dir, "additional_chat_templates"));
    writeFileSync(
      join(dir, "additional_chat_templates/tool_use.jinja"),
      "with {{ tools[0].function.name }}",
    );
    const both = withTemplate("plain {{ tools }}");
    expect(both.applyChatTemplate(hi)).toBe("plain None");
    expect(both.applyChatTemplate(hi, { tools })).toBe("with f");
    rmSync(join(dir, "additional_chat_templates"), { recursive: true });
  });

  test("variables reach the template, and override special tokens", () => {
    const own = withTemplate("{{ bos_token }}{{ enable_thinking }}{{ documents[0].title }}");
    const documents = [{ title: "D", text: "" }];
    expect(own.applyChatTemplate(hi, { variables: { enable_thinking: false }, documents })).toBe(
      "<bos>FalseD",
    );
    expect(own.applyChatTemplate(hi, { variables: { bos_token: "B" }, documents })).toBe("BD");
  });

  test.each<[string, ChatMessage[], ChatTemplateOptions, string]>([
    ["both ends", prefill("a"), { continueFinalMessage, addGenerationPrompt: true }, "both"],
    [
      "an empty message to continue",
      [{ role: "user" } as unknown as ChatMessage],
      { continueFinalMessage },
      "content",
    ],
    ["an unknown field", prefill("a"), { continueFinalMessage: "thought" }, "thought"],
    ["an empty conversation", [], {}, "at least one message"],
    ["an invalid message", ["Hi" as unknown as ChatMessage], {}, "messages[0]"],
    ["an invalid tool", hi, { tools: ["f"] as unknown as [] }, "tools[0]"],
    ["a variable with the name of an option", hi, { variables: { tools: [] } }, "tools"],
    [
      "a misspelt option",
      hi,
      { addGenerationPromt: true } as ChatTemplateOptions,
      "addGenerationPromt",
    ],
    ["a value that is not plain data", hi, { variables: { now: new Date() } }, "Date"],
  ])("refuses %s", (_, messages, options, words) => {
    const got = render(gemma, messages, options);
    expect(got).toMatch(/^ARGUMENT: applyChatTemplate: /);
    expect(got).toContain(words);
  });

  test("refuses endless values", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    expect(render(gemma, hi, { variables: { loop } })).toMatch(/^ARGUMENT/);
  });
});
