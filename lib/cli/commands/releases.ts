import type { Command } from "commander";
import type { CoderEntry } from "../../catalogue/coder-entry.js";
import { type ListCodersOptions, listCoders } from "../../catalogue/list-coders.js";
import { listReleases } from "../../catalogue/releases.js";
import { finiteNumber, integer } from "../options/arguments.js";
import { sayJson, sayTable } from "../print/output.js";

interface ReleasesOptions {
  readonly model?: string;
  readonly suite?: 1 | 2;
  readonly kind?: CoderEntry["kind"];
  readonly layer?: number;
  readonly width?: string;
  readonly l0?: ListCodersOptions["l0"];
  readonly seeds?: boolean;
  readonly json?: boolean;
}

/** `gemlens releases`: the published coders by the names that SAELens gives them. */
export function register(program: Command): void {
  program
    .command("releases")
    .description("list the published coders: all releases, or the coders of one")
    .argument("[release]", "a release, such as gemma-scope-2b-pt-res")
    .option("--model <name>", "releases of this model, such as gemma-2-2b")
    .option("--suite <n>", "releases of Gemma Scope (1) or Gemma Scope 2 (2)", integer(1))
    .option("--kind <kind>", "sae, transcoder, crosscoder or clt")
    .option("--layer <n>", "coders of this block, from 0", integer(0))
    .option("--width <width>", "coders of this width, such as 16k")
    .option("--l0 <l0>", "the nearest to a number; or canonical, small, medium, big", l0Of)
    .option("--seeds", "also the variants trained from another seed")
    .option("--json", "print one line of JSON for each release or coder")
    .action(releases)
    .addHelpText(
      "after",
      `
The list comes with gemlens; nothing is fetched. Give a release and an id to SAE.fromPretrained
or Transcoder.fromPretrained.`,
    );
}

function releases(release: string | undefined, options: ReleasesOptions, command: Command): void {
  if (release === undefined) sayReleases(options, command);
  else sayCoders(release, options, command);
}

function sayReleases(options: ReleasesOptions, command: Command): void {
  const { model, suite, kind, layer, width, l0, seeds, json } = options;
  const given = Object.entries({ layer, width, l0, seeds }).find(
    ([, value]) => value !== undefined,
  );
  if (given) command.error(`error: --${given[0]} needs a release`);
  const list = listReleases({ model, suite, kind });
  if (json) {
    list.forEach(sayJson);
    return;
  }
  const rows = list.map((entry) => [
    entry.release,
    entry.model,
    entry.kinds.join(", "),
    `${entry.coders}`,
  ]);
  sayTable([["release", "model", "kind", "coders"], ...rows], ["left", "left", "left", "right"]);
}

function sayCoders(release: string, options: ReleasesOptions, command: Command): void {
  const { model, suite, kind, layer, width, l0, seeds, json } = options;
  if (model !== undefined || suite !== undefined) {
    const flag = model === undefined ? "suite" : "model";
    command.error(`error: --${flag} lists releases: leave ${release} out`);
  }
  const list = listCoders(release, { layer, width, l0, kind, seeds });
  if (json) {
    list.forEach(sayJson);
    return;
  }
  const rows = list.map((entry) => [
    entry.id,
    `${entry.l0}`,
    entry.hookName,
    entry.neuronpediaId ?? "–",
  ]);
  sayTable([["id", "l0", "hook", "neuronpedia"], ...rows], ["left", "right"]);
}

function l0Of(text: string): ListCodersOptions["l0"] {
  return finiteNumber(text) ?? (text as "canonical");
}
