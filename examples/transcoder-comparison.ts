// Transcoders against the MLPs they stand for: read ln2.hook_normalized, rebuild hook_mlp_out.

import { readFileSync } from "node:fs";
import { evaluateCoder, HookedTransformer, SAE, Transcoder } from "gemlens";

const scope = "assets/tiny-gemma2/gemma-scope";
const leaf = { transcoders: [23, 24, 24, 24], mlp: [23, 23, 24, 23] };
const path = (site: "transcoders" | "mlp", layer: number) =>
  `${scope}/${site}/layer_${layer}/width_512/average_l0_${leaf[site][layer]}/params.npz`;
const lines = readFileSync("assets/tiny-gemma2/heldout.jsonl", "utf8").split("\n", 16);
const texts = lines.map((line) => (JSON.parse(line) as { text: string }).text);

await using model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
const transcoders: Transcoder[] = [];
console.log("layer  coder       active   unexplained   loss recovered");
for (const layer of [0, 1, 2, 3]) {
  const transcoder = await Transcoder.fromFile(path("transcoders", layer));
  transcoders.push(transcoder);
  using sae = await SAE.fromFile(path("mlp", layer));
  for (const coder of [transcoder, sae]) {
    const kind = coder === sae ? "SAE" : "transcoder";
    const { l0, fvu, lossRecovered } = await evaluateCoder(model, coder, texts);
    const figures = [l0.toFixed(1).padStart(7), fvu.toFixed(3).padStart(13)];
    const recovered = lossRecovered.mean.toFixed(3).padStart(16);
    console.log(`${layer}      ${kind.padEnd(10)} ${figures.join(" ")} ${recovered}`);
  }
}

// All MLPs replaced at once: nothing of them but what the transcoders make of their inputs.
const coders = transcoders.map((coder) => ({
  coder,
  errorTerm: false,
  excludeSpecialTokens: true,
}));
console.log(`loss of the model: ${(await model.loss(texts)).toFixed(3)}`);
console.log(`with transcoders for all MLPs: ${(await model.loss(texts, { coders })).toFixed(3)}`);
for (const transcoder of transcoders) transcoder.dispose();
