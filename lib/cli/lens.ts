import type { Command } from "commander";
import { type LensEntry, logitLens } from "../attribute/index.js";
import { quoteToken, signed, textTable } from "../report/index.js";
import { integer, readText } from "./arguments.js";
import { loadModel, type ModelOptions, withModel } from "./model-options.js";
import { type TargetFlags, targetsOf, withTarget } from "./target-option.js";
import { lineWidth, note, paintFor } from "./terminal.js";

interface LensOptions extends ModelOptions, TargetFlags {
  readonly top: number;
  readonly json?: boolean;
}

/** `gemlens lens`: what each layer's residual stream already says about the next token. */
export function register(program: Command): void {
  const command = program
    .command("lens")
    .description("show what each layer predicts at each token (the logit lens)")
    .argument("[text...]", "the text; standard input where it is left out");
  withTarget(command, "show this token's rank and probability instead", ["token"]).option(
    "--top <n>",
    "with --json: tokens of each cell",
    integer(1),
    5,
  );
  withModel(command)
    .option("--json", "print {model, tokens, layers: [{layer, positions: [{position, top}]}]}")
    .action(lens)
    .addHelpText(
      "after",
      `
A row is a token, a column the residual stream behind a layer, read by the final norm, the
unembedding and the soft cap: its most probable next token and that one's probability in percent;
behind the last layer they are the model's own.`,
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
  const tokens = model.toStrTokens(ids).map((text, position) => {
    return { position, id: ids[position] as number, text };
  });
  const layers = [...new Set(entries.map(({ layer }) => layer))];
  const at = (layer: number) => entries.filter((entry) => entry.layer === layer);
  if (options.json) {
    const told = layers.map((layer) => ({ layer, positions: at(layer).map(tell) }));
    console.log(JSON.stringify({ model: options.model, tokens, layers: told }));
    return;
  }
  note(titleOf(target));
  const left = tokens.map(({ position, text }) => [`${position}`, quoteToken(text)]);
  const columns = layers.map((layer) => [`${layer}`, ...at(layer).map(show)]);
  for (const [i, group] of fitting(["", ""], left, columns).entries()) {
    if (i > 0) console.log();
    const rows = [["", "", ...group.map(([head]) => `layer ${head}`)]];
    for (const [row, cells] of left.entries()) {
      rows.push([...cells, ...group.map((column) => column[row + 1] ?? "")]);
    }
    const [first = "", ...lines] = textTable(rows, ["right"]);
    console.log(paintFor().dim(first));
    for (const line of lines) console.log(line);
  }
}

/** Columns in groups that fit the line beside the left ones. */
function fitting(head: string[], left: string[][], columns: string[][]): string[][][] {
  const widest = (cells: readonly string[]) => Math.max(...cells.map(({ length }) => length)) + 2;
  const side = head.reduce((sum, _, i) => sum + widest(left.map((row) => row[i] ?? "")), 0);
  const groups: string[][][] = [];
  let room = 0;
  for (const column of columns) {
    const width = Math.max(widest(column), "layer 00".length + 2);
    if (room < width) {
      groups.push([]);
      room = lineWidth() - side + 2;
    }
    groups.at(-1)?.push(column);
    room -= width;
  }
  return groups;
}

function titleOf([more, less]: readonly string[]): string {
  if (more === undefined) return "layer by layer";
  if (less === undefined) return `rank and % of ${quoteToken(more)}, 0 the first`;
  return `logit of ${quoteToken(more)} minus ${quoteToken(less)}`;
}

function show({ top, targets }: LensEntry): string {
  const [asked, less] = targets;
  if (asked !== undefined && less !== undefined) return signed(asked.logit - less.logit, 2);
  if (asked !== undefined) return `#${asked.rank} ${percent(asked.logprob)}`;
  const [best] = top;
  return best === undefined ? "" : `${quoteToken(best.text)} ${percent(best.logprob)}`;
}

const percent = (logprob: number) => `${Math.round(100 * Math.exp(logprob))}`;

function tell({ position, top, targets }: LensEntry) {
  const [asked, less] = targets;
  const told = top.map(toldOf);
  if (asked === undefined) return { position, top: told };
  const target = { ...toldOf(asked), ...(less !== undefined && { minus: toldOf(less) }) };
  return { position, top: told, target };
}

function toldOf<T extends { readonly token: number }>({ token: id, ...rest }: T) {
  return { id, ...rest };
}
