import { type Command, Option } from "commander";
import { type AttributionMethod, attribute } from "../../attribute/attribution/attribute.js";
import type { Attributions } from "../../attribute/attribution/attributions.js";
import { bundledCoders } from "../../coder/bundled-coders.js";
import { hooksOf } from "../../coder/site.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { signed } from "../../report/numbers.js";
import { quoteToken } from "../../report/token-text.js";
import { integer, position, readText, several } from "../options/arguments.js";
import { type ChatFlag, promptOf, withChat } from "../options/chat-prompt.js";
import { type CoderOptions, CoderSet, checkCoders, withCoders } from "../options/coder-set.js";
import { type Site, showFeature, sites } from "../options/feature-spec.js";
import { loadModel, type ModelOptions, withModel } from "../options/model-options.js";
import {
  excludes,
  type SpecialTokensFlag,
  specialHelp,
  withSpecialTokens,
} from "../options/special-tokens.js";
import { type TargetFlags, targetsOf, withTarget } from "../options/target-option.js";
import { say, sayJson, sayTable } from "../print/output.js";
import { type ListedToken, listedToken } from "../print/shown-tokens.js";
import { note, progressLine } from "../print/terminal.js";

interface AttributeFlags
  extends SpecialTokensFlag,
    ModelOptions,
    CoderOptions,
    ChatFlag,
    TargetFlags {
  readonly position: number;
  readonly method: AttributionMethod;
  readonly layer?: readonly number[];
  readonly site: Site;
  readonly top: number;
  readonly json?: boolean;
}

/** `gemlens attribute`: shows the features that contribute to a prediction. */
export function register(program: Command): void {
  const command = program
    .command("attribute")
    .description("show the features that contribute to a next token's logit")
    .argument("[text...]", "the text (default: standard input)");
  withTarget(command, 'the next token, as in " Paris" (default: the most probable one)', [
    "to",
    "minus",
  ])
    .option(
      "--position <n>",
      "attribute the token after this position, negative from the end",
      position,
      -1,
    )
    .addOption(
      new Option("--method <name>", "gradient times activation, its integral, or exact ablation")
        .choices(["gradient", "integrated-gradients", "ablation"])
        .default("gradient"),
    )
    .option("--top <n>", "rows of the table", integer(1), 10)
    .option(
      "--layer <n>",
      "use the bundled coder of this layer only; repeatable",
      several(integer(0)),
    )
    .addOption(
      new Option("--site <name>", "site of the bundled coders").choices(sites).default("res"),
    );
  withModel(withSpecialTokens(withChat(withCoders(command))))
    .option("--json", "print {model, target, position, value, method, features, completeness}")
    .action(run)
    .addHelpText("after", specialHelp);
}

async function run(words: string[], options: AttributeFlags, command: Command): Promise<void> {
  checkCoders(command, options);
  const [token, minus] = targetsOf(command, options);
  const given = await readText(words, command);
  await using model = await loadModel(options);
  const text = promptOf(model, given, options);
  using coders = new CoderSet("attribute", options);
  const { site } = options;
  const ofSite = () => bundledCoders({ site }).map(({ layer }) => layer);
  const through = await coders.all(options.layer ?? (options.sae ? [] : ofSite()), site);
  const { position: at, method } = options;
  const more = await targetToken(model, text, token, at);
  const progress = progressLine();
  const all = await attribute(model, text, {
    target:
      minus === undefined
        ? { logit: more.id, position: at }
        : { logitDiff: [more.id, minus], position: at },
    through,
    method,
    ...excludes(options),
    onProgress: ({ done, total }) => progress.show(`${done} of ${total} runs`),
  });
  progress.end();
  const { ids } = model.toTokens(text);
  const found = all.slice(0, options.top).map((one) => {
    const on = listedToken(model.tokenizer, ids[one.position] ?? 0);
    return { ...one, token: on.text, on, name: coders.name(one) };
  });
  if (options.json) {
    const features = found.map(({ coder, name, on: { byte }, ...rest }) => {
      return {
        hook: hooksOf(coder.cfg).hookName,
        ...rest,
        ...(byte !== undefined && { byte }),
        ...(name && { name }),
      };
    });
    const { model: of } = options;
    const target = { ...more, ...(minus !== undefined && { minus }) };
    const completeness = all.completeness.map(({ coder, ...rest }) => {
      return { hook: hooksOf(coder.cfg).hookName, ...rest };
    });
    const out = { model: of, target, position: at, value: all.value, method };
    sayJson({ ...out, features, completeness });
    return;
  }
  const less = minus === undefined ? "" : ` minus ${quoteToken(minus)}`;
  const hooks = [...new Set(through.map(({ cfg }) => hooksOf(cfg).hookName))];
  note(`${all.length} active features of ${hooks.join(", ")}; ${method}`);
  say(`logit of ${quoteToken(more)}${less}: ${all.value.toFixed(3)}`);
  const rows = found.map(({ coder, feature, position, on, activation, effect, name }) => [
    showFeature(coder.cfg, feature),
    `${position}`,
    quoteToken(on),
    activation.toFixed(1),
    signed(effect),
    name ?? "-",
  ]);
  const head = ["feature", "position", "on", "activation", "effect", "name"];
  sayTable([head, ...rows], ["left", "right", "left", "right", "right"]);
  showCompleteness(all);
}

function showCompleteness({ completeness }: Attributions): void {
  for (const { coder, steps, change, gap } of completeness) {
    const share = `${(100 * gap).toFixed(2)} %`;
    note(
      `${hooksOf(coder.cfg).hookName}: all its features together: ${signed(change)}; ` +
        `the effects miss ${share} of it (${steps} steps)`,
    );
  }
}

/** The token of --target, or the most probable next token. */
async function targetToken(
  model: HookedTransformer,
  text: string,
  token: string | undefined,
  position: number,
): Promise<ListedToken> {
  if (token !== undefined) return { id: model.toSingleToken(token), text: token };
  using logits = await model.forward(text, { positions: [position] });
  const id = Number(logits.argmax().item());
  return listedToken(model.tokenizer, id);
}
