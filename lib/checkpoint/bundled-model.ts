import { existsSync } from "node:fs";
import { join } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { packageRoot } from "../native/package-root.js";

const names = new Set(["tiny", "gemlens/tiny-gemma2"]);

/** Whether a name means the model bundled with gemlens. */
export function isBundled(name: string): boolean {
  return names.has(name);
}

/** The folder of the bundled model and its coders. Throws NOT_FOUND if the package lacks it. */
export function bundledFolder(caller: string, name = "tiny"): string {
  const folder = join(packageRoot, "assets/tiny-gemma2");
  if (existsSync(folder)) return folder;
  throw new GemlensError(
    "NOT_FOUND",
    sentence(
      caller,
      `the bundled model in ${folder}`,
      JSON.stringify(name),
      "none",
      ": the package is incomplete",
    ),
    { name },
  );
}
