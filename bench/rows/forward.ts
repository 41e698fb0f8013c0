import { HookedTransformer, hook } from "../../lib/index.js";
import { gemma2b, randomModel } from "../random-model.js";
import type { Row } from "../row.js";

const promptTokens = (count: number) =>
  Int32Array.from({ length: count }, (_, i) => (i * 37) % 8192);

async function openModel() {
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
    return {
      run: async () => (await model.forward(input, { positions: [-1] })).dispose(),
      close,
    };
  },
});

/** The bundled model is so small that the hooks are most of the time. */
const hooks: Row = {
  id: "N1",
  what: "1,000 synchronous hook calls (4-token forwards with 36 hooks each)",
  work: { count: 1000, of: "calls" },
  open: async () => {
    const model = await HookedTransformer.fromPretrained("tiny");
    const names = model.hookNames.filter((name) =>
      /hook_resid|hook_normalized|mlp\.hook_/.test(name),
    );
    const chosen = names.slice(0, 36).map((name) => hook(name, () => {}));
    const input = Int32Array.of(2, 300, 301, 302);
    return {
      run: async () => {
        for (let calls = 0; calls < 1000; calls += chosen.length) {
          (await model.forward(input, { hooks: chosen })).dispose();
        }
      },
      close: () => model.dispose(),
    };
  },
};

const decode: Row = {
  id: "C11",
  what: "16 greedy tokens after a 16-token prompt, 4 layers of gemma-2-2b's shape, float32",
  work: { count: 16, of: "tokens" },
  open: async () => {
    const { model, close } = await openModel();
    const input = promptTokens(16);
    const options = { maxNewTokens: 16, temperature: 0, stopAtEos: false };
    return {
      run: async () => {
        for await (const _ of model.generate(input, options));
      },
      close,
    };
  },
};

export const forwardRows: readonly Row[] = [
  hooks,
  forward("C10-32", 32),
  forward("C10-512", 512),
  decode,
];
