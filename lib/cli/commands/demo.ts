import type { Command } from "commander";
import { type BundledFeature, bundledCoders } from "../../coder/bundled-coders.js";
import type { SAE } from "../../coder/sae.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";
import { HookedTransformer } from "../../model/hooked-transformer.js";
import { displayWidth } from "../../report/display-width.js";
import { tableRows } from "../../report/text-table.js";
import { printableText, quoteToken, showTokens } from "../../report/token-text.js";
import { wordWrap } from "../../report/word-wrap.js";
import { corpusOf, heldOutFile } from "../options/corpus-file.js";
import { firedFeatures } from "../print/demo-features.js";
import { steeringHook } from "../print/demo-steer.js";
import { survey } from "../print/demo-survey.js";
import { sayJson } from "../print/output.js";
import { lineWidth, type Paint, paintFor, proseWidth } from "../print/terminal.js";

const prompt = "One sunny day, Lily";
const maxNewTokens = 40;
const sampling = { temperature: 0.7, seed: 3 };
/** `named` features come first, then each layer's strongest unnamed one; each shows `tokens` tokens. */
const shown = { named: 8, tokens: 4 };
/** The number of held-out documents that show where a feature fires in other texts. */
const documents = 160;
const steering = { class: "colours", alphas: [0.9, 1.2], tokens: 30 };
const indent = "   ";

interface DemoOptions {
  readonly device: string;
  readonly json?: boolean;
}

/** The models, coders and output functions that the steps of the demo share. */
interface Stage {
  readonly model: HookedTransformer;
  readonly saes: readonly SAE[];
  readonly paint: Paint;
  readonly write: (text: string) => void;
  readonly say: (line?: string) => void;
}

/** `gemlens demo`: shows what gemlens does on the bundled model, in a few seconds. */
export function register(program: Command): void {
  program
    .command("demo")
    .description("watch the bundled model write, see which features fire, and steer one")
    .option("--device <name>", "cpu, cuda or cuda:N", "cpu")
    .option("--json", "print everything as one JSON document")
    .action(demo);
}

async function demo({ device, json }: DemoOptions): Promise<void> {
  const loading = stopwatch();
  await using model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
  const saes: SAE[] = [];
  for (const coder of bundledCoders({ site: "res" })) saes.push(await coder.load({ device }));
  const load = loading();
  const write = (text: string) => {
    if (!json) process.stdout.write(text);
  };
  const say = (line = "") => write(`${line}\n`);
  const stage: Stage = { model, saes, paint: paintFor(), write, say };

  introduce(stage);
  const { text, generation } = await showText(stage);
  const { tokens, forward } = await showTokensOf(stage, text);
  const features = await showFeatures(stage, text);
  const steered = await showSteering(stage);
  const timings = { loadSeconds: load, ...forward, ...generation };
  showTimings(stage, timings);
  showNext(stage);
  if (json) {
    sayJson({ prompt, text, tokens, features, steered, timings });
  }
  for (const sae of saes) sae.dispose();
}

function introduce({ model, say }: Stage): void {
  const { cfg } = model;
  say(
    `The bundled model: ${cfg.modelType}, ${cfg.nLayers} layers of ${cfg.dModel} dimensions, ` +
      `${cfg.device}. It knows a small world of stories and facts.`,
  );
}

async function showText({ model, paint, write, say }: Stage) {
  say(`\n${paint.bold("1. It writes")}`);
  const wrap = wordWrap(proseWidth(), indent, indent.length + prompt.length);
  write(indent + paint.dim(prompt));
  let text = prompt;
  let generatedTokens = 0;
  const watch = stopwatch();
  for await (const token of model.generate(prompt, { maxNewTokens, ...sampling })) {
    write(wrap(printableText(token.text)));
    text += token.text;
    generatedTokens++;
  }
  const generationSeconds = watch();
  say();
  return { text, generation: { generatedTokens, generationSeconds } };
}

async function showTokensOf({ model, paint, say }: Stage, text: string) {
  const tokens = model.toStrTokens(text);
  const watch = stopwatch();
  using logits = await model.forward(text);
  const forward = { forwardTokens: logits.shape[1] ?? 0, forwardSeconds: watch() };
  say(`\n${paint.bold(`2. As ${tokens.length} tokens`)}`);
  const bar = paint.dim("|");
  for (const line of fold(tokens)) say(`${indent}${showTokens(line, bar)}${bar}`);
  return { tokens, forward };
}

async function showFeatures({ model, saes, paint, say }: Stage, text: string) {
  const fired = await firedFeatures(model, saes, text);
  const named = fired.filter(({ name }) => name !== undefined).slice(0, shown.named);
  const unnamed = saes.map((sae) => fired.find((it) => it.sae === sae && it.name === undefined));
  const elsewhere = await survey(model, saes, await heldOutTexts(documents));
  const all = [...named, ...unnamed.filter((it) => it !== undefined)];
  const features = all.map(({ sae, feature, name, value, tokens }) => ({
    hook: sae.cfg.hookName,
    feature,
    name: name ?? null,
    value,
    tokens: tokens.slice(0, shown.tokens),
    elsewhere: elsewhere(sae, feature, shown.tokens),
  }));
  const total = saes.reduce((sum, { cfg }) => sum + cfg.dSae, 0);
  say(`\n${paint.bold("3. Learned features that fire on it")}`);
  say(
    `${indent}${paint.dim(`of ${total} in SAEs at blocks.L.hook_resid_post; those that belong to a class of words have a name`)}`,
  );
  say(indent + paint.dim('"x next" fires just before an x, "promotes x" makes one more probable'));
  const quote = (list: readonly string[]) => list.map(quoteToken).join(" ");
  const rows = features.map(({ hook, feature, name, value, tokens, elsewhere }) => [
    /\d+/.exec(hook)?.[0] ?? "",
    `${feature}`,
    value.toFixed(1),
    name ?? "-",
    quote(tokens),
    quote(elsewhere),
  ]);
  const head = ["layer", "feature", "value", "name", "fires here on", "in other texts on"];
  const align = ["right", "right", "right"] as const;
  const [first = [], ...lines] = tableRows([head, ...rows], align, lineWidth() - indent.length);
  for (const line of first) say(`${indent}${paint.dim(line)}`);
  for (const line of lines.flat()) say(`${indent}${line}`);
  return features;
}

async function showSteering({ model, saes, paint, say }: Stage) {
  const chosen = steeringFeature();
  const sae = saes.find(({ cfg }) => cfg.path === chosen.path);
  if (sae === undefined) {
    throw new GemlensError("NOT_FOUND", `demo: expected ${chosen.path} beside the bundled model`);
  }
  const { feature, class: name, maxActivation } = chosen;
  const hook = sae.cfg.hookName;
  say(`\n${paint.bold(`4. Steered towards ${name}`)}`);
  const addition = `α times the largest activation of feature ${feature}`;
  say(indent + paint.dim(`a JavaScript hook adds ${addition} in its direction,`));
  say(indent + paint.dim(`at ${hook}; the random draws are the same`));
  const options = { maxNewTokens: steering.tokens, ...sampling };
  const margin = `${indent}         `;
  const show = (label: string, text: string) => {
    const wrap = wordWrap(proseWidth(), margin, margin.length + prompt.length);
    say(`${indent}${label.padEnd(9)}${paint.dim(prompt)}${wrap(printableText(text))}`);
  };
  const plain = await model.generate(prompt, options).text();
  show("plain", plain);
  const steered: { alpha: number; text: string }[] = [];
  for (const alpha of steering.alphas) {
    const hooks = [steeringHook(sae, feature, alpha * maxActivation)];
    const text = await model.generate(prompt, { ...options, hooks }).text();
    steered.push({ alpha, text });
    show(`α = ${alpha}`, text);
  }
  return { hook, feature, name, prompt, plain, steered };
}

/** Texts from the model's world that neither the model nor the coders were trained on. */
async function heldOutTexts(count: number): Promise<string[]> {
  const texts: string[] = [];
  for await (const text of corpusOf(heldOutFile())) {
    texts.push(text);
    if (texts.length === count) break;
  }
  return texts;
}

/** The best-scoring feature of the class; one that predicts its words wins over one that fires on them. */
function steeringFeature(): BundledFeature & { readonly path: string; readonly layer: number } {
  const named = bundledCoders({ site: "res" })
    .flatMap(({ path, layer, features }) => features.map((one) => ({ ...one, path, layer })))
    .filter((entry) => entry.class === steering.class)
    .sort((a, b) => b.score - a.score);
  for (const wanted of ["next", "promotes", "token"] as const) {
    const found = named.find(({ relation }) => relation === wanted);
    if (found !== undefined) return found;
  }
  throw new GemlensError("NOT_FOUND", sentence("demo", "a named feature", steering.class, "none"));
}

interface Timings {
  readonly loadSeconds: number;
  readonly forwardTokens: number;
  readonly forwardSeconds: number;
  readonly generatedTokens: number;
  readonly generationSeconds: number;
}

function showTimings({ paint, say }: Stage, timings: Timings): void {
  const { loadSeconds, forwardTokens, forwardSeconds, generatedTokens, generationSeconds } =
    timings;
  const ms = (seconds: number) => `${(1000 * seconds).toFixed(0)} ms`;
  const speed = (generatedTokens / generationSeconds).toFixed(0);
  say(`\n${paint.bold("5. It took")}`);
  say(`${indent}${ms(loadSeconds)} to load libtorch, the model and its SAEs`);
  say(`${indent}${ms(forwardSeconds)} for a forward pass over ${forwardTokens} tokens`);
  say(`${indent}${ms(generationSeconds)} to write ${generatedTokens} tokens: ${speed} per second`);
}

function showNext({ paint, say }: Stage): void {
  say(`\n${paint.bold("Next")}`);
  const { layer, feature } = steeringFeature();
  const rows = [
    [`npx gemlens steer ${layer}:${feature} "${prompt}"`, "the same feature at other strengths"],
    [
      'npx gemlens attribute "Leo lives in Osaka. He speaks" --target " Japanese"',
      "find the features that drive a prediction; gemlens ablate removes them",
    ],
    [
      'npx gemlens features --layer 0 "The red car was fast."',
      "see which features fire on which word",
    ],
    ['npx gemlens tokens "Hello" --model google/gemma-2-2b', "a Gemma from the Hugging Face cache"],
    [
      "README.md, docs/recipes.md, docs/hooks.md",
      "the same from TypeScript, as scripts to start from",
    ],
  ];
  for (const [command = "", description = ""] of rows)
    say(`${indent}${command}\n      ${paint.dim(description)}`);
}

/** Divides tokens into lines that fit a terminal, with room for a bar after each token. */
function fold(tokens: readonly string[]): string[][] {
  const room = proseWidth() - indent.length;
  const lines: string[][] = [];
  let used = room;
  for (const token of tokens) {
    const width = displayWidth(showTokens([token])) + 1;
    if (used + width > room) {
      lines.push([]);
      used = 0;
    }
    lines.at(-1)?.push(token);
    used += width;
  }
  return lines;
}

/** Starts a clock; the function returned gives the seconds since then. */
function stopwatch(): () => number {
  const start = performance.now();
  return () => (performance.now() - start) / 1000;
}
