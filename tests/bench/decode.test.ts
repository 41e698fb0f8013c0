import { expect, test } from "vitest";
import { measure } from "../../bench/measure.js";
import { type LoadedPeer, Peers } from "../../bench/peers.js";
import { openDecode, promptTokens } from "../../bench/rows/forward.js";
import { HookedTransformer } from "../../lib/index.js";

test("compares a float32 decode only with peers that draw exactly the same tokens", async () => {
  await using model = await HookedTransformer.fromPretrained("tiny");
  const tokens: number[] = [];
  const options = { maxNewTokens: 4, temperature: 0, stopAtEos: false };
  for await (const { token } of model.generate(promptTokens(4), options)) tokens.push(token);

  const drawing = (name: string, drawn: readonly number[]): LoadedPeer => ({
    id: name,
    name,
    side: () => ({ name, run: async () => 1, output: async () => Float32Array.from(drawn) }),
    unload: async () => undefined,
  });
  // The largest token id stays the same, because the tolerance for logits is relative to it.
  const least = tokens.indexOf(Math.min(...tokens));
  const languageModels = [
    drawing("same", tokens),
    drawing("another", tokens.with(least, (tokens[least] as number) + 1)),
  ];
  const models = { model, languageModels, matrices: undefined, tolerance: 0.1 };
  const peers = new Peers({}, 1);
  const measured = await measure(
    {
      id: "D",
      what: "decode",
      work: { count: 3, of: "tokens" },
      open: async () => openDecode(models, "float32", 4, 3),
    },
    peers,
    { rounds: 1, warmUp: 0 },
  );
  await peers.close();
  expect(measured.sides.map(({ name }) => name)).toEqual(["gemlens", "same"]);
  expect(measured.refused.map(({ name }) => name)).toEqual(["another"]);
  // The two outputs would be equal within the tolerance for logits.
  expect(1 / Math.max(...tokens)).toBeLessThan(0.1);
});
