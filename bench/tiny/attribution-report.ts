// Reports how far the gradient's attributions agree with exact ablation on the bundled model, over
// held-out prompts. Prints the median of Spearman's rank correlation over all active features, and
// how many of the ten strongest by ablation are among the ten strongest by gradient.
//
//     npx tsx bench/tiny/attribution-report.ts [PROMPTS]
import { join } from "node:path";
import { Command } from "commander";
import { HookedTransformer } from "../../lib/index.js";
import { positiveInteger } from "../number-options.js";
import { agreement, heldOutPrompts, summary } from "./attribution.js";
import { loadCoders } from "./coders.js";

const folder = join(import.meta.dirname, "../../assets/tiny-gemma2");

async function main(count: number): Promise<void> {
  await using model = await HookedTransformer.fromPretrained(folder, { dtype: "float32" });
  const prompts = await heldOutPrompts(model, folder, count);
  console.log(`${count} held-out prompts; target: the likeliest token's logit minus the second's`);
  console.log("site         layer  features  Spearman  of ten");
  const all = [];
  for (const { site, layer, coder } of await loadCoders(folder)) {
    const found = [];
    for (const prompt of prompts) found.push(await agreement(model, coder, prompt));
    const { features, spearman, shared } = summary(found);
    all.push(...found);
    console.log(
      `${site.padEnd(12)} ${String(layer).padStart(5)} ${features.toFixed(0).padStart(9)} ` +
        `${spearman.toFixed(3).padStart(9)} ${shared.toFixed(1).padStart(7)}`,
    );
    coder.dispose();
  }
  const { spearman, shared } = summary(all);
  console.log(
    `median over prompts and coders: ${spearman.toFixed(3)} (aim 0.8), ${shared.toFixed(1)} of ten (aim 7)`,
  );
}

new Command("attribution-report")
  .argument("[prompts]", "how many", positiveInteger, 20)
  .action(main)
  .parseAsync();
