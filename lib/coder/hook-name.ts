import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { HookTable } from "../hooks/hook-table.js";
import { parseHookName, parseShortKey } from "../hooks/parse-hook-name.js";
import { lastResidualAlias } from "../hooks/points.js";

/**
 * The canonical name of a hook, which caches use, from any of its names. Layers are not checked: a
 * coder does not know its model's depth.
 *
 * @throws NOT_FOUND if `name` is not a hook, with the closest names
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
  // A table with that many layers resolves the short form "resid_post5".
  const short = parseShortKey(name)?.layer ?? Number.POSITIVE_INFINITY;
  if (short < 1000) return new HookTable(short + 1, true).resolve(name, caller).name;
  const { layer, point } = parseHookName(name);
  // A table of one layer knows all names; its layer 0 stands for the requested layer.
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

/** The native id of a hook, by its canonical name. */
export function pointOf(name: string): number {
  return new HookTable((parseHookName(name).layer ?? 0) + 1, true).resolve(name).id;
}
