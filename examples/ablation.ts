// Ablate a feature while keeping the coder's error, and measure what that error contributes.
import type { RunOptions } from "gemlens";
import { ablate, bundledCoder, featureMeans, HookedTransformer } from "gemlens";

await using model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
using sae = await bundledCoder({ layer: 2 }).load();
const text = "Leo lives in Osaka. He speaks";
const japanese = model.toSingleToken(" Japanese");

async function show(label: string, options: RunOptions = {}) {
  using logits = await model.forward(text, { ...options, positions: [-1] });
  using p = logits.softmax(-1);
  const best = model.decode(Number(p.argmax().item()));
  const share = (p.select(-1, japanese).item() as number).toFixed(3);
  console.log(`${label.padEnd(33)} " Japanese" ${share}   best ${JSON.stringify(best)}`);
}

using run = await model.runWithCache(text, { names: [], features: [sae], logits: false });
const [strongest] = await run.features(sae).at({ position: -1 });
if (strongest === undefined) throw new Error("no feature fires on the last token");
const feature = sae.feature(strongest.feature);
const corpus = ["Ben lives in Paris. He speaks French.", "On Monday, Lily saw a red bird."];
const to = (await featureMeans(model, sae, corpus))[feature.feature] ?? 0;
const scope = { excludeSpecialTokens: true }; // coders are not trained on begin-of-text tokens

await show("unchanged");
const ablated = [ablate(feature, scope)];
await show(`feature ${feature.feature} ablated`, { interventions: ablated });
const atMean = [ablate(feature, { to, ...scope })];
await show(`feature at its mean, ${to.toFixed(2)}`, { interventions: atMean });
await show("spliced, with its error term", { coders: [sae] });
await show("spliced, without its error term", {
  coders: [{ coder: sae, errorTerm: false, ...scope }],
});
