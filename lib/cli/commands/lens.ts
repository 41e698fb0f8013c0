import type { Command } from "commander";
import { type LensEntry, logitLens } from "../../attribute/readout/logit-lens.js";
import { signed } from "../../report/numbers.js";
import { columnGroups } from "../../report/text-table.js";
import { quoteToken } from "../../report/token-text.js";
import { integer, readText } from "../options/arguments.js";
import { loadModel, type ModelOptions, withModel } from "../options/model-options.js";
import { type TargetFlags, targetsOf, withTarget } from "../options/target-option.js";
import { say, sayColumns, sayJson } from "../print/output.js";
import { type ListedToken, listedToken, listedTokens } from "../print/shown-tokens.js";
import { lineWidth, note } from "../print/terminal.js";

interface LensOptions extends ModelOptions, TargetFlags {
  readonly top: number;
  readonly json?: boolean;
}

/** `gemlens lens`: shows what each layer's residual stream predicts as the next token. */
export function register(program: Command): void {
  const command = program
    .command("lens")
    .description("show what each layer predicts at each token (the logit lens)")
    .argument("[text...]", "the text (default: standard input)");
  withTarget(command, "show this token's rank and probability instead", ["token"]).option(
    "--top <n>",
    "with --json: tokens per cell",
    integer(1),
    5,
  );
  withModel(command)
    .option("--json", "print {model, tokens, layers: [{layer, positions: [{position, top}]}]}")
    .action(lens)
    .addHelpText(
      "after",
      `
Each row is a token, each column the residual stream after a layer, decoded by the final norm, the
unembedding and the soft cap. A cell shows the most probable next token and its probability in
percent. The last layer's column is the model's own prediction.`,
    );
}

async function lens(words: string[], options: LensOptions, command: Command): Promise<void> {
  const target = targetsOf(command, options);
  const text = await readText(words, command);
  await using model = await loadModel(options);
  const { top } = options;
  using run = await model.runWithCache(text, {
    names: (name) => name.endsWith("hook_resid_post"),
    logits: false,
  });
  const entries = await logitLens(model, run.cache, {
    topK: options.json ? top : 1,
    ...(target.length > 0 && { target: { logit: target } }),
  });
  const { ids } = model.toTokens(text);
  const listed = (id: number) => listedToken(model.tokenizer, id);
  const tokens = listedTokens(model.tokenizer, ids);
  const layers = [...new Set(entries.map(({ layer }) => layer))];
  const at = (layer: number) => entries.filter((entry) => entry.layer === layer);
  if (options.json) {
    const all = layers.map((layer) => ({
      layer,
      positions: at(layer).map((entry) => jsonOf(entry, listed)),
    }));
    sayJson({ model: options.model, tokens, layers: all });
    return;
  }
  note(titleOf(target));
  const left = [
    ["", ...tokens.map(({ position }) => `${position}`)],
    ["", ...tokens.map(quoteToken)],
  ];
  const columns = layers.map((layer) => {
    return [`layer ${layer}`, ...at(layer).map((entry) => show(entry, listed))];
  });
  for (const [i, group] of columnGroups(left, columns, lineWidth()).entries()) {
    if (i > 0) say();
    sayColumns([...left, ...group], ["right"]);
  }
}

type List = (id: number) => ListedToken;

function titleOf([more, less]: readonly string[]): string {
  if (more === undefined) return "layer by layer";
  if (less === undefined) return `rank (0 is the first) and % of ${quoteToken(more)}`;
  return `logit of ${quoteToken(more)} minus ${quoteToken(less)}`;
}

function show({ top, targets }: LensEntry, listed: List): string {
  const [asked, less] = targets;
  if (asked !== undefined && less !== undefined) return signed(asked.logit - less.logit, 2);
  if (asked !== undefined) return `#${asked.rank} ${percent(asked.logprob)}`;
  const [best] = top;
  return best === undefined ? "" : `${quoteToken(listed(best.token))} ${percent(best.logprob)}`;
}

const percent = (logprob: number) => `${Math.round(100 * Math.exp(logprob))}`;

function jsonOf({ position, top, targets }: LensEntry, listed: List) {
  const withToken = <T extends { readonly token: number }>({ token, ...rest }: T) => {
    return { ...rest, ...listed(token) };
  };
  const [asked, less] = targets;
  const best = top.map(withToken);
  if (asked === undefined) return { position, top: best };
  const target = { ...withToken(asked), ...(less !== undefined && { minus: withToken(less) }) };
  return { position, top: best, target };
}
