import { type Command, Option } from "commander";
import { isBundled } from "../../checkpoint/bundled-model.js";
import type { Coder } from "../../coder/coder.js";
import { hooksOf } from "../../coder/site.js";
import { type CoderEvaluation, evaluateCoder } from "../../evaluate/evaluate-coder.js";
import { columnGroups } from "../../report/text-table.js";
import { integer, several } from "../options/arguments.js";
import { type CoderOptions, CoderSet, checkCoders, withCoders } from "../options/coder-set.js";
import { corpusOf, heldOutFile } from "../options/corpus-file.js";
import { coderLabel, type Site, sites } from "../options/feature-spec.js";
import { loadModel, type ModelOptions, withModel } from "../options/model-options.js";
import { excludes, type SpecialTokensFlag, withSpecialTokens } from "../options/special-tokens.js";
import { say, sayColumns, sayJson } from "../print/output.js";
import { shownPath } from "../print/shown-path.js";
import { lineWidth, note, progressLine } from "../print/terminal.js";

interface EvaluateFlags extends SpecialTokensFlag, ModelOptions, CoderOptions {
  readonly layer?: readonly number[];
  readonly site: Site;
  readonly maxTokens: number;
  readonly batchSize: number;
  readonly contextSize?: number;
  readonly json?: boolean;
}

/** `gemlens evaluate`: measures how well coders reconstruct, and what that costs the model. */
export function register(program: Command): void {
  const command = program
    .command("evaluate")
    .description(
      "measure coders on text: sparsity, reconstruction, and the loss of the spliced model",
    )
    .argument(
      "[corpus]",
      "one document per line, or .jsonl of strings or {text} (tiny: held-out text)",
    )
    .option(
      "--layer <n>",
      "layer of the bundled model (default: the middle one); repeatable",
      several(integer(0)),
    )
    .addOption(
      new Option("--site <name>", "site of the bundled coders").choices(sites).default("res"),
    )
    .option("--max-tokens <n>", "stop after this many tokens", integer(1), 10_000)
    .option("--batch-size <n>", "texts per run", integer(1), 8)
    .option(
      "--context-size <n>",
      "truncate texts to this many tokens (default: 256, or the model's)",
      integer(2),
    );
  withModel(withSpecialTokens(withCoders(command)))
    .option("--json", "print {model, corpus, coders: [{path, hookName, tokens, l0, …, density}]}")
    .action(evaluate)
    .addHelpText(
      "after",
      `
Recovered is (ablated - spliced) / (ablated - original), with the tensor ablated to zero and to its
mean. Special tokens (begin of text, turns and so on) keep their activation and are not counted, unless
you give --include-special-tokens.`,
    );
}

async function evaluate(
  file: string | undefined,
  options: EvaluateFlags,
  command: Command,
): Promise<void> {
  checkCoders(command, options);
  if (file === undefined && !isBundled(options.model)) {
    command.error(`error: missing argument 'corpus' (needed with --model ${options.model})`);
  }
  const corpus = file ?? heldOutFile();
  await using model = await loadModel(options);
  using set = new CoderSet("evaluate", options);
  const coders = await set.all(options.layer ?? [Math.floor(model.cfg.nLayers / 2)], options.site);
  const progress = progressLine();
  const { maxTokens, batchSize, contextSize } = options;
  const done: { coder: Coder; evaluation: CoderEvaluation }[] = [];
  for (const coder of coders) {
    const evaluation = await evaluateCoder(model, coder, corpusOf(corpus), {
      maxTokens,
      batchSize,
      contextSize,
      ...excludes(options),
      meanTokens: Math.min(maxTokens, 8192),
      onProgress: ({ tokens }) => progress.show(`${hooksOf(coder.cfg).hookName}: ${tokens} tokens`),
    });
    progress.end();
    done.push({ coder, evaluation });
  }
  if (options.json) {
    const reports = done.map(({ coder: { cfg }, evaluation: { density, ...rest } }) => {
      const { path, dSae } = cfg;
      return { path, ...hooksOf(cfg), dSae, ...rest, density: Array.from(density) };
    });
    sayJson({ model: options.model, corpus, coders: reports });
    return;
  }
  for (const { coder } of done) note(`${coder.cfg.dSae} features of ${shownPath(coder.cfg.path)}`);
  const left = [["", ...metrics.map(([label]) => label)]];
  const columns = done.map(({ coder, evaluation }) => {
    return [coderLabel(coder.cfg), ...metrics.map(([, show]) => show(evaluation))];
  });
  for (const [i, group] of columnGroups(left, columns, lineWidth()).entries()) {
    if (i > 0) say();
    sayColumns([...left, ...group], ["left", ...group.map(() => "right" as const)]);
  }
}

type Show = (evaluation: CoderEvaluation) => string;

const metrics: readonly (readonly [label: string, show: Show])[] = [
  ["tokens", ({ tokens }) => `${tokens}`],
  ["active features per token (L0)", ({ l0 }) => l0.toFixed(1)],
  ["squared error (MSE)", ({ mse }) => mse.toPrecision(4)],
  ["variance unexplained (FVU)", ({ fvu }) => fvu.toFixed(4)],
  ["variance explained", ({ explainedVariance }) => explainedVariance.toFixed(4)],
  ["cosine", ({ cosine }) => cosine.toFixed(4)],
  ["length, rebuilt / original", ({ l2Ratio }) => l2Ratio.toFixed(4)],
  ["loss of the model", ({ loss }) => loss.original.toFixed(4)],
  ["loss with the reconstruction", ({ loss }) => loss.spliced.toFixed(4)],
  ["loss ablated (zero, mean)", ({ loss }) => pair(loss.zero, loss.mean, 3)],
  ["loss recovered (zero, mean)", ({ lossRecovered: r }) => pair(r.zero, r.mean, 4)],
  ["KL with the reconstruction", ({ kl }) => kl.spliced.toFixed(4)],
  ["KL recovered (zero, mean)", ({ klRecovered: r }) => pair(r.zero, r.mean, 4)],
  ["median density", ({ density }) => quantile(density, 0.5).toPrecision(2)],
  ["dead features", ({ dead, deadShare }) => `${dead} (${(100 * deadShare).toFixed(1)} %)`],
];

function pair(zero: number, mean: number, digits: number): string {
  return `${zero.toFixed(digits)}, ${mean.toFixed(digits)}`;
}

function quantile(values: Float32Array, share: number): number {
  const sorted = values.toSorted();
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
}
