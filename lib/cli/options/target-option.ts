import { type Command, Option } from "commander";
import { several } from "./arguments.js";

/** The flags that choose the target of a command. The former names stay for one version. */
export interface TargetFlags {
  readonly target?: readonly string[];
  readonly to?: string;
  readonly minus?: string;
  readonly token?: string;
}

/** Adds `--target`, and hidden options for its `former` names. */
export function withTarget(
  command: Command,
  description: string,
  former: readonly ("to" | "minus" | "token")[],
): Command {
  command.option(
    "--target <token>",
    `${description}; if given twice, the first's logit minus the second's`,
    several((text) => text),
  );
  for (const name of former) command.addOption(new Option(`--${name} <token>`).hideHelp());
  return command;
}

/** The tokens of `--target`: none, one, or two for the difference of their logits. */
export function targetsOf(
  command: Command,
  { target, to, minus, token }: TargetFlags,
): readonly string[] {
  if (minus !== undefined && to === undefined) command.error("error: --minus goes with --to");
  const former = [to ?? token, minus].filter((name) => name !== undefined);
  if (target !== undefined && former.length > 0) {
    command.error("error: --target was given with a former name of it; give --target alone");
  }
  const all = target ?? former;
  if (all.length > 2) {
    command.error("error: --target is given once, or twice for a difference of two logits");
  }
  return all;
}
