// Computes a checkpoint's first logits in a fresh process, with the built package:
//
//     node bench/first-logits.mjs FOLDER TOKENS [FILE]
//
// Prints "done" after that; FILE gets the last position's logits, as float32.
import { writeFileSync } from "node:fs";
import { HookedTransformer } from "../dist/index.js";

async function main([folder, tokens, file]) {
  const model = await HookedTransformer.fromPretrained(folder);
  const logits = await model.forward(Int32Array.from(tokens.split(","), Number));
  const last = await logits.select(1, -1).read();
  console.log("done");
  if (file !== undefined) writeFileSync(file, last);
  await model.dispose();
}

main(process.argv.slice(2));
