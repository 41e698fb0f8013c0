// Prints every file under native/, for binding.gyp's list of inputs.
import { readdirSync } from "node:fs";

for (const entry of readdirSync("native", { withFileTypes: true, recursive: true })) {
  if (entry.isFile()) console.log(`${entry.parentPath ?? entry.path}/${entry.name}`);
}
