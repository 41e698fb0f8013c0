// Steer by adding a feature's direction to the stream, as data and with a JavaScript hook.
import { bundledCoder, HookedTransformer, hook, steer } from "gemlens";

await using model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
using sae = await bundledCoder({ layer: 2 }).load();
const prompt = "One sunny day, Lily saw a";
const [colours, strength] = [966, 10];

// As data: on every token but special ones, in the prompt and in the generated text.
const asData = [steer(sae.feature(colours), strength, { excludeSpecialTokens: true })];

// As a hook: x + strength * W_dec[feature], on every token but the begin-of-text token.
const asHook = [
  hook(sae.cfg.hookName, (x, { positionOffset }) => {
    const push = sae.direction(colours).mul(strength);
    x.slice(1, positionOffset === 0 ? 1 : 0).add_(push);
  }),
];

const drawn = { maxNewTokens: 24, temperature: 0.7, seed: 5 };
console.log("plain:  ", await model.generate(prompt, drawn).text());
console.log("as data:", await model.generate(prompt, { ...drawn, interventions: asData }).text());
console.log("as hook:", await model.generate(prompt, { ...drawn, hooks: asHook }).text());

using native = await model.forward(prompt, { interventions: asData });
using hooked = await model.forward(prompt, { hooks: asHook });
console.log("logits equal:", native.allClose(hooked, { rtol: 1e-5, atol: 1e-5 }));

// A sweep runs as one batch, with one strength per row.
const strengths = [0, 5, 10, 15];
using swept = await model.forward(
  strengths.map(() => prompt),
  {
    positions: [-1],
    interventions: strengths.map((s, batch) => steer(sae.feature(colours), s, { batch })),
  },
);
using p = swept.softmax(-1).select(-1, model.toSingleToken(" green"));
console.log('p of " green":', [...(await p.read("float32"))].map((x) => x.toFixed(4)).join("  "));
