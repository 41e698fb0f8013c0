import { clamp, type Intervention } from "../../lib/index.js";
import { finish } from "../finish.js";
import type { Peers } from "../peers.js";
import { randomSae } from "../random-coder.js";
import { gemma2b } from "../random-model.js";
import type { Group, Row } from "../row.js";
import { openModel, promptTokens } from "./forward.js";

const shape = "4 layers of gemma-2-2b's shape, float32";

async function open({ device }: Peers) {
  const { model, close } = await openModel(device);
  const sae = await randomSae(2, gemma2b.dModel, 16384, device);
  const interventions: Intervention[] = Array.from({ length: 10 }, (_, i) =>
    clamp(sae.feature(1000 * i + 7), 3),
  );
  const closeAll = async () => {
    sae.dispose();
    await close();
  };
  return { model, interventions, close: closeAll };
}

const forward: Row = {
  id: "I1",
  what: `10 features of a 16k SAE clamped in a forward of 512 tokens, ${shape}`,
  work: { count: 1, of: "forwards" },
  slow: true,
  leastRounds: 15,
  cost: true,
  open: async (peers) => {
    const { model, interventions, close } = await open(peers);
    const input = promptTokens(512);
    const run = (options: object) => async () =>
      finish(await model.forward(input, { positions: [-1], ...options }));
    const sides = [
      { name: "gemlens", run: run({ interventions }) },
      { name: "without interventions", run: run({}) },
    ];
    return { sides, close };
  },
};

const decode: Row = {
  id: "I2",
  what: `the same at every step of 8 generated tokens, ${shape}`,
  work: { count: 8, of: "tokens" },
  slow: true,
  leastRounds: 15,
  cost: true,
  open: async (peers) => {
    const { model, interventions, close } = await open(peers);
    const input = promptTokens(16);
    const run = (options: object) => async () => {
      const all = { maxNewTokens: 9, temperature: 0, stopAtEos: false, ...options };
      let start = 0;
      // The first token includes the prompt, so only the steps of one token are timed.
      for await (const { step } of model.generate(input, all)) {
        if (step === 0) start = performance.now();
      }
      return performance.now() - start;
    };
    const sides = [
      { name: "gemlens", run: run({ interventions }) },
      { name: "without interventions", run: run({}) },
    ];
    return { sides, close };
  },
};

export const interventionGroup: Group = { rows: [forward, decode] };
