import { HookedTransformer } from "../../lib/index.js";
import { gemma2b, randomModel } from "../random-model.js";
import type { Row } from "../row.js";

export const promptTokens = (count: number) =>
  Int32Array.from({ length: count }, (_, i) => (i * 37) % 8192);

export async function openModel() {
  const { folder, remove } = await randomModel(gemma2b);
  const model = await HookedTransformer.fromPretrained(folder);
  return {
    model,
    close: async () => {
      await model.dispose();
      remove();
    },
  };
}

const forward = (id: string, tokens: number): Row => ({
  id,
  what: `forward of ${tokens} tokens, 4 layers of gemma-2-2b's shape, float32, logits of the last`,
  work: { count: tokens, of: "tokens" },
  open: async () => {
    const { model, close } = await openModel();
    const input = promptTokens(tokens);
    const run = async () => (await model.forward(input, { positions: [-1] })).dispose();
    return { sides: [{ name: "gemlens", run }], close };
  },
});

const decode: Row = {
  id: "C11",
  what: "16 greedy tokens after a 16-token prompt, 4 layers of gemma-2-2b's shape, float32",
  work: { count: 16, of: "tokens" },
  open: async () => {
    const { model, close } = await openModel();
    const input = promptTokens(16);
    const options = { maxNewTokens: 16, temperature: 0, stopAtEos: false };
    const run = async () => {
      for await (const _ of model.generate(input, options));
    };
    return { sides: [{ name: "gemlens", run }], close };
  },
};

export const forwardRows: readonly Row[] = [forward("C10-32", 32), forward("C10-512", 512), decode];
