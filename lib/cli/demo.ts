import type { Command } from "commander";
import { SAE } from "../coder/index.js";
import { GemlensError } from "../errors/index.js";
import { HookedTransformer } from "../model/index.js";
import { quoteToken, showTokens, textTable } from "../report/index.js";
import { bundledCoder, heldOutTexts, type NamedFeature, namesOf } from "./bundled.js";
import { type ShownFeature, strongestFeatures } from "./demo-features.js";
import { steeringHook } from "./demo-steer.js";
import { type Survey, survey } from "./demo-survey.js";
import { type Paint, paintFor } from "./terminal.js";

const prompt = "One sunny day, Lily";
const layer = 2;
const maxNewTokens = 40;
const sampling = { temperature: 0.7, seed: 3 };
const featuresShown = 10;
/** How many held-out documents tell what a feature does in other texts. */
const documents = 160;
const steering = { class: "colours", prompt: "One sunny day, Lily saw", alpha: 2, tokens: 24 };
const lineWidth = 96;

interface DemoOptions {
  readonly device: string;
  readonly json?: boolean;
}

/** What the steps of the demo share. */
interface Stage {
  readonly model: HookedTransformer;
  readonly sae: SAE;
  readonly paint: Paint;
  readonly write: (text: string) => void;
  readonly say: (line?: string) => void;
}

/** `gemlens demo`: what gemlens does, on the bundled model, in a few seconds. */
export function register(program: Command): void {
  program
    .command("demo")
    .description("watch the bundled model write, see which features fire, and steer one")
    .option("--device <name>", "cpu, cuda or cuda:N", "cpu")
    .option("--json", "print everything it shows as one JSON document")
    .action(demo);
}

async function demo({ device, json }: DemoOptions): Promise<void> {
  const loading = stopwatch();
  await using model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
  using sae = await SAE.fromFile(bundledCoder(layer), { device });
  const load = loading();
  const write = (text: string) => {
    if (!json) process.stdout.write(text);
  };
  const say = (line = "") => write(`${line}\n`);
  const stage: Stage = { model, sae, paint: paintFor(), write, say };

  introduce(stage);
  const { text, generation } = await showText(stage);
  const { tokens, forward } = await showTokensOf(stage, text);
  const names = namesOf(sae.cfg.path);
  const corpus = await survey(model, sae, heldOutTexts(documents));
  const features = await showFeatures(stage, text, corpus, names);
  const steered = await showSteering(stage, corpus, names);
  const timings = { loadSeconds: load, ...forward, ...generation };
  showTimings(stage, timings);
  showNext(stage);
  if (json) {
    const hook = sae.cfg.hookName;
    console.log(JSON.stringify({ prompt, text, tokens, hook, features, steered, timings }));
  }
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
  write(`   ${paint.dim(prompt)}`);
  let text = prompt;
  let generatedTokens = 0;
  const watch = stopwatch();
  for await (const token of model.generate(prompt, { maxNewTokens, ...sampling })) {
    write(token.text.replaceAll("\n", "\n   "));
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
  for (const line of fold(tokens)) say(`   ${showTokens(line, paint.dim("|"))}`);
  return { tokens, forward };
}

async function showFeatures(
  { model, sae, paint, say }: Stage,
  text: string,
  corpus: Survey,
  names: readonly NamedFeature[],
): Promise<readonly ShownFeature[]> {
  const all = await strongestFeatures(model, sae, text, corpus, names);
  const features = all.slice(0, featuresShown);
  say(`\n${paint.bold("3. Features that fire on it most strongly")}`);
  say(`   ${paint.dim(`of the ${sae.cfg.dSae} that an SAE learned at ${sae.cfg.hookName}`)}`);
  const quote = (list: readonly string[]) => list.map(quoteToken).join(" ");
  const rows = features.map(({ feature, name, value, here, elsewhere }) => [
    `${feature}`,
    value.toFixed(1),
    name ?? "-",
    quote(here),
    quote(elsewhere),
  ]);
  const head = ["feature", "value", "name", "fires here on", "in other texts on"];
  const [first = "", ...lines] = textTable([head, ...rows], ["right", "right"]);
  say(`   ${paint.dim(first)}`);
  for (const line of lines) say(`   ${line}`);
  return features;
}

async function showSteering(
  { model, sae, paint, say }: Stage,
  corpus: Survey,
  names: readonly NamedFeature[],
) {
  const chosen = names.find((entry) => entry.class === steering.class) ?? names[0];
  if (chosen === undefined) {
    throw new GemlensError("NOT_FOUND", "demo: expected a feature with a name, got none");
  }
  const { index: feature, class: name } = chosen;
  const { alpha } = steering;
  const strength = alpha * (corpus.largest[feature] ?? 0);
  const options = { maxNewTokens: steering.tokens, ...sampling };
  const hooks = [steeringHook(sae, feature, strength)];
  const plain = await model.generate(steering.prompt, options).text();
  const steered = await model.generate(steering.prompt, { ...options, hooks }).text();
  say(`\n${paint.bold(`4. Steered towards feature ${feature}, ${name}`)}`);
  say(
    `   ${paint.dim(`a JavaScript hook adds ${alpha} times its largest activation, in its direction, at ${sae.cfg.hookName}`)}`,
  );
  const show = (label: string, text: string) =>
    say(`   ${label}  ${paint.dim(steering.prompt)}${text.replaceAll("\n", "⏎")}`);
  show("plain  ", plain);
  show("steered", paint.name(steered));
  return { feature, name, alpha, strength, prompt: steering.prompt, plain, steered };
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
  say(`   ${ms(loadSeconds)} to load libtorch, the model and the SAE`);
  say(`   ${ms(forwardSeconds)} for a forward pass over ${forwardTokens} tokens`);
  say(`   ${ms(generationSeconds)} to write ${generatedTokens} tokens: ${speed} a second`);
}

function showNext({ paint, say }: Stage): void {
  say(`\n${paint.bold("Next")}`);
  const rows = [
    ['npx gemlens generate "Leo lives in Osaka. He speaks"', "let it go on"],
    ['npx gemlens features "The red car was fast." --layer 1', "read another layer's features"],
    ['npx gemlens tokens "Hello" --model google/gemma-2-2b', "a Gemma from the Hugging Face cache"],
    ["README.md, docs/hooks.md", "the same from TypeScript, every hook by name"],
  ];
  for (const [command = "", what = ""] of rows) say(`   ${command}\n      ${paint.dim(what)}`);
}

/** Tokens in lines that fit a terminal. */
function fold(tokens: readonly string[]): string[][] {
  const lines: string[][] = [];
  let width = lineWidth;
  for (const token of tokens) {
    if (width + token.length + 1 > lineWidth) {
      lines.push([]);
      width = 0;
    }
    lines.at(-1)?.push(token);
    width += token.length + 1;
  }
  return lines;
}

/** Seconds since it was made. */
function stopwatch(): () => number {
  const start = performance.now();
  return () => (performance.now() - start) / 1000;
}
