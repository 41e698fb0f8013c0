// Find the features that drive a prediction by gradient times activation, checked by ablation.
import { attribute, bundledCoder, HookedTransformer, readout } from "gemlens";

await using model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
using sae = await bundledCoder({ layer: 2 }).load();
const text = "Leo lives in Osaka. He speaks";
const tokens = model.toStrTokens(text);

const options = { target: { logitDiff: [" Japanese", " German"] as const }, through: [sae] };
const found = await attribute(model, text, options);
const exact = await attribute(model, text, { ...options, method: "ablation" });
console.log(`logit of " Japanese" minus " German": ${found.value.toFixed(2)}`);

for (const { feature, position, activation, effect } of found.slice(0, 6)) {
  const ablated = exact.find((one) => one.feature === feature && one.position === position);
  const { top } = await readout(model, sae.feature(feature), { topK: 3 });
  const row = [
    `feature ${feature}`.padEnd(12),
    `on ${JSON.stringify(tokens[position])}`.padEnd(13),
    `active ${activation.toFixed(1)}`.padEnd(12),
    `estimated ${effect.toFixed(2)}`.padEnd(16),
    `exact ${ablated?.effect.toFixed(2)}`.padEnd(12),
    `promotes ${top.map((token) => JSON.stringify(token.text)).join(" ")}`,
  ];
  console.log(row.join(" "));
}
