import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { HookTable } from "../hooks/hook-table.js";
import { parseHookName, parseShortKey } from "../hooks/parse-hook-name.js";
import { lastResidualAlias } from "../hooks/points.js";

/**
 * The name that caches use for a hook, of whatever name for it is given. Layers are not checked: a
 * coder does not know its model's depth. NOT_FOUND with the closest names for what is no hook.
 */
export function canonicalHook(caller: string, name: string): string {
  if (name === lastResidualAlias) {
    throw new GemlensError(
      "NOT_FOUND",
      sentence(
        caller,
        "the last block's own name (blocks.L.hook_resid_post)",
        "a coder's hook",
        name,
        ": a coder does not know its model's depth",
      ),
      { name },
    );
  }
  // The short form, "resid_post5", is read by a table that has the layer.
  const short = parseShortKey(name)?.layer ?? Number.POSITIVE_INFINITY;
  if (short < 1000) return new HookTable(short + 1, true).resolve(name, caller).name;
  const { layer, point } = parseHookName(name);
  // One layer is enough to know all names; it stands for the layer that was asked for.
  const table = new HookTable(1, true);
  if (layer === null) return table.resolve(name, caller).name;
  const asked = (text: string) => text.replaceAll("blocks.0.", `blocks.${layer}.`);
  try {
    return asked(table.resolve(`blocks.0.${point}`, caller).name);
  } catch (error) {
    if (!GemlensError.is(error, "NOT_FOUND")) throw error;
    throw new GemlensError("NOT_FOUND", asked(error.message), { ...error.fields, name }, error);
  }
}

/** The native id of a hook, by the name that caches use. */
export function pointOf(name: string): number {
  return new HookTable((parseHookName(name).layer ?? 0) + 1, true).resolve(name).id;
}
