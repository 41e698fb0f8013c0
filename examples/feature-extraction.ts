// Find the features that fire on a text, and measure the coder's reconstruction error.
import { bundledCoder, HookedTransformer } from "gemlens";

await using model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
using sae = await bundledCoder({ layer: 2 }).load();
const text = "On Monday, Lily saw a red bird in the garden.";

const { hookName } = sae.cfg;
const features = [{ coder: sae, excludeSpecialTokens: true }]; // coders aren't trained on them
using run = await model.runWithCache(text, { names: [hookName], features, logits: false });
const acts = run.features(sae);
console.log(`${hookName}: ${acts.shape.join(" x ")}, ${acts.nnz} of them active`);

// The begin-of-text token is left out, so no feature fires on it.
for (const [pos, token] of model.toStrTokens(text).entries()) {
  const strongest = (await acts.at({ position: pos })).slice(0, 3);
  if (strongest.length === 0) continue;
  const shown = strongest.map(({ feature, value }) => `${feature} (${value.toFixed(1)})`);
  console.log(JSON.stringify(token).padEnd(12), shown.join("  "));
}

// Encode the cached activation: the same features, and the size of the reconstruction error.
const resid = run.cache.get(hookName);
using encoded = await sae.encode(resid, { excludeSpecialTokens: true });
using error = await sae.error(resid);
const size = (x: typeof error) => x.slice(1, 1).pow(2).sum().item() as number;
console.log(`encoded from the cache: ${encoded.nnz} active`);
console.log(`left over: ${((100 * size(error)) / size(resid)).toFixed(1)} % of the squared length`);
