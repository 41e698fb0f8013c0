import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CoderFile,
  GemlensError,
  HookedTransformer,
  openCoderFile,
  openModelFolder,
  openNpz,
  parseModelConfig,
  readSafetensorsHeader,
  SAE,
  Tokenizer,
  Transcoder,
  zeros,
} from "../../lib/index.js";
import type { Sample } from "./samples.js";

/** Errors that a reader may return. */
export interface Step {
  readonly name: string;
  readonly codes: readonly string[];
  readonly run: () => unknown;
}

// UNSUPPORTED is documented for valid files that gemlens cannot run.
const model = ["CHECKPOINT", "UNSUPPORTED"];

/**
 * The calls of the public API that open a folder of this kind, in order; the first error ends it.
 * With `native` they also load the weights and run them once.
 */
export function stepsOf(sample: Sample, folder: string, native: boolean): Step[] {
  switch (sample.kind) {
    case "header": {
      const file = join(folder, sample.targets[0] as string);
      return [
        {
          name: "readSafetensorsHeader",
          codes: ["CHECKPOINT"],
          run: () => readSafetensorsHeader(file),
        },
      ];
    }
    case "npz": {
      const file = join(folder, sample.targets[0] as string);
      return [{ name: "openNpz", codes: ["CHECKPOINT"], run: () => openNpz(file) }];
    }
    case "coder":
      return coderSteps(folder, native);
    case "model":
      return modelSteps(folder, native);
    case "tokenizer":
      return tokenizerSteps(folder);
  }
}

function coderSteps(folder: string, native: boolean): Step[] {
  const steps: Step[] = [{ name: "openCoderFile", codes: model, run: () => openCoderFile(folder) }];
  if (native) {
    // ARGUMENT if an SAE is requested from a transcoder's file, or the reverse.
    const codes = [...model, "ARGUMENT"];
    const hooks = { hookName: "blocks.0.hook_resid_post" };
    const outputs = { ...hooks, hookNameOut: "blocks.0.hook_mlp_out" };
    steps.push({ name: "SAE.fromFile", codes, run: () => runSae(folder, hooks) });
    steps.push({ name: "Transcoder.fromFile", codes, run: () => runTranscoder(folder, outputs) });
  }
  return steps;
}

async function runSae(folder: string, hooks: { hookName: string }): Promise<void> {
  const { dIn, guess, dOut, params }: CoderFile = openCoderFile(folder);
  if (guess.site === "transcoder" || dIn !== dOut || params.skip) return;
  const sae = await SAE.fromFile(folder, hooks);
  try {
    const x = zeros([2, dIn]);
    const out = await sae.forward(x);
    out.dispose();
    x.dispose();
  } finally {
    sae.dispose();
  }
}

async function runTranscoder(
  folder: string,
  hooks: { hookName: string; hookNameOut: string },
): Promise<void> {
  const coder = await Transcoder.fromFile(folder, hooks);
  try {
    const x = zeros([2, coder.cfg.dIn]);
    const out = await coder.forward(x);
    out.dispose();
    x.dispose();
  } finally {
    coder.dispose();
  }
}

function modelSteps(folder: string, native: boolean): Step[] {
  const steps: Step[] = [
    { name: "parseModelConfig", codes: model, run: () => parseFolderConfig(folder) },
    { name: "openModelFolder", codes: model, run: () => openModelFolder(folder) },
  ];
  if (native) {
    steps.push({
      name: "HookedTransformer.fromPretrained",
      codes: model,
      run: () => runModel(folder),
    });
  }
  return steps;
}

/** Passes the parsed file, as some callers do. */
function parseFolderConfig(folder: string): void {
  const file = join(folder, "config.json");
  if (!existsSync(file)) return;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return;
  }
  parseModelConfig(json, file, "fuzz");
}

async function runModel(folder: string): Promise<void> {
  const loaded = await HookedTransformer.fromPretrained(folder);
  try {
    // A valid config may allow fewer tokens than these.
    const logits = await loaded.forward([[2, 1, 3, 4, 5, 6].slice(0, loaded.cfg.nCtx)]);
    await logits.read();
    logits.dispose();
  } finally {
    loaded.dispose();
  }
}

const texts = ["the river <start_of_turn>user\n", "a\u00e9\u{1f642}\ud800 <bos>", "", " "];
const chat = [
  { role: "user", content: "What is it?" },
  { role: "assistant", content: "A river." },
  { role: "user", content: " And now? " },
];

function tokenizerSteps(folder: string): Step[] {
  const tokenizer = Tokenizer.fromFolder(folder);
  const codes = ["TOKENIZER"];
  return [
    { name: "vocabSize", codes, run: () => tokenizer.vocabSize },
    { name: "encode", codes, run: () => encodeAll(tokenizer) },
    { name: "encodeBatch", codes, run: () => tokenizer.encodeBatch(texts) },
    // ARGUMENT if the template rejects the messages.
    {
      name: "applyChatTemplate",
      codes: ["TOKENIZER", "ARGUMENT"],
      run: () => tokenizer.encode(tokenizer.applyChatTemplate(chat)),
    },
  ];
}

function encodeAll(tokenizer: Tokenizer): void {
  for (const text of texts) {
    const ids = tokenizer.encode(text, { prependBos: false });
    for (const id of ids) {
      if (id < 0 || id >= tokenizer.vocabSize) throw new Error(`encode gave the id ${id}`);
    }
    tokenizer.decode(ids);
    tokenizer.decode(ids, { skipSpecialTokens: true });
    const stream = tokenizer.stream();
    for (const id of ids) stream.push(id);
    stream.end();
    tokenizer.toStrTokens(ids);
  }
}

export const isTyped = (error: unknown): error is GemlensError => GemlensError.is(error);
