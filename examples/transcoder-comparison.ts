// Compare transcoders with MLP SAEs: they map ln2.hook_normalized to hook_mlp_out.
import { bundledCoder, bundledCoders, evaluateCoder, HookedTransformer } from "gemlens";

const texts = [
  "Austria is in Europe. Vienna is the capital of Austria. The capital of Austria is Vienna. " +
    "Felix, who works in Salzburg, speaks German, because Salzburg is in Austria.",
  "On Thursday Yara pulls the oar at the beach. On Friday she finds the rope at the beach. " +
    "On Saturday she paints the oar with the captain. On Sunday she pulls the rope.",
  "Ruby was a brave girl who liked the bridge. She wanted to become a knight. " +
    '"It is not easy to be a knight," said her aunt. Every day Ruby guarded the sword kindly.',
  "Tennis: Foxes 6, Dragons 4. The Foxes beat the Dragons 6 to 4 on Thursday. " +
    "The fans of the Dragons were sad, but the fans of the Foxes were happy.",
];

await using model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
const entries = bundledCoders({ site: "transcoder" });
const transcoders = await Promise.all(entries.map((entry) => entry.load()));
console.log("layer  coder       active   unexplained   loss recovered");
for (const [layer, transcoder] of transcoders.entries()) {
  using sae = await bundledCoder({ site: "mlp", layer }).load();
  for (const coder of [transcoder, sae]) {
    const kind = coder === sae ? "SAE" : "transcoder";
    const { l0, fvu, lossRecovered } = await evaluateCoder(model, coder, texts);
    const columns = [l0.toFixed(1).padStart(7), fvu.toFixed(3).padStart(13)];
    const recovered = lossRecovered.mean.toFixed(3).padStart(16);
    console.log(`${layer}      ${kind.padEnd(10)} ${columns.join(" ")} ${recovered}`);
  }
}

// Replace all MLPs at once by their transcoders, without error terms.
const splice = { errorTerm: false, excludeSpecialTokens: true };
const coders = transcoders.map((coder) => ({ coder, ...splice }));
console.log(`loss of the model: ${(await model.loss(texts)).toFixed(3)}`);
console.log(`with transcoders for all MLPs: ${(await model.loss(texts, { coders })).toFixed(3)}`);
for (const transcoder of transcoders) transcoder.dispose();
