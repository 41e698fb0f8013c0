import { HookedTransformer } from "../../lib/index.js";
import { finish } from "../finish.js";
import type { LoadedPeer, PeerKind, Peers } from "../peers.js";
import { gemma2b, matrixShapes, randomModel } from "../random-model.js";
import type { Device, Group, Opened, Row, Side } from "../row.js";

type Dtype = "float32" | "bfloat16";

export const promptTokens = (count: number) =>
  Int32Array.from({ length: count }, (_, i) => (i * 37) % 8192);

export async function openModel(device: Device, dtype: Dtype = "float32") {
  const { folder, remove } = await randomModel(gemma2b, {
    dtype: dtype === "float32" ? "F32" : "BF16",
  });
  const model = await HookedTransformer.fromPretrained(folder, { device });
  return {
    folder,
    model,
    close: async () => {
      await model.dispose();
      remove();
    },
  };
}

/**
 * Our model and the available peers, over one checkpoint: raw weights, eager attention. float32
 * outputs must agree to a thousandth. In bfloat16 each implementation rounds differently, and two
 * of them differ by about a per cent.
 */
async function openModels(peers: Peers, dtype: Dtype) {
  const { folder, model, close } = await openModel(peers.device, dtype);
  const load = (kind: PeerKind, more = {}) => peers.load(kind, { folder, dtype, ...more });
  const source = await load("transformers");
  const languageModels = [
    source,
    await load("bridge"),
    await load("hooked", { of: source?.id }),
  ].filter((peer) => peer !== undefined);
  const matrices = await load("matrices", { shapes: matrixShapes(gemma2b) });
  return {
    model,
    languageModels,
    matrices,
    tolerance: dtype === "float32" ? 1e-3 : 0.03,
    close: async () => {
      for (const peer of [...languageModels, matrices]) await peer?.unload();
      await close();
    },
  };
}
type Models = Awaited<ReturnType<typeof openModels>>;

const boundOf = (peer: LoadedPeer | undefined, what: string, work: string, request: object) =>
  peer && { ...peer.side(work, { ...request }), name: `${what}, ${peer.name}` };

function openForward(
  { model, languageModels, matrices, tolerance }: Omit<Models, "close">,
  count: number,
): Opened {
  const tokens = promptTokens(count);
  const ours: Side = {
    name: "gemlens",
    run: async () => finish(await model.forward(tokens)),
    output: async () => {
      using logits = await model.forward(tokens);
      return (await logits.read()) as Float32Array;
    },
  };
  const request = { tokens: [...tokens] };
  return {
    sides: [ours, ...languageModels.map((peer) => peer.side("forward", request))],
    bound: boundOf(matrices, "its GEMMs alone, each the faster of 2 ways", "multiply", {
      tokens: count,
    }),
    tolerance,
    close: () => undefined,
  };
}

export function openDecode(
  models: Omit<Models, "close">,
  dtype: Dtype,
  prompt: number,
  steps: number,
): Opened {
  const { model, languageModels, matrices, tolerance } = models;
  const tokens = promptTokens(prompt);
  const options = { maxNewTokens: steps + 1, temperature: 0, stopAtEos: false };
  const ours: Side = {
    name: "gemlens",
    run: async () => {
      let start = 0;
      // The first token includes the prompt, so only the steps of one token are timed.
      for await (const { step } of model.generate(tokens, options)) {
        if (step === 0) start = performance.now();
      }
      return performance.now() - start;
    },
    output: async () => {
      const drawn: number[] = [];
      for await (const { token } of model.generate(tokens, options)) drawn.push(token);
      return Float32Array.from(drawn);
    },
  };
  const request = { tokens: [...tokens], steps };
  const unrolled = openForward(models, prompt).sides;
  // float32 must give the same greedy tokens. In bfloat16 a tie may go either way, so the logits of
  // the prompt are compared instead, after a decode that checks that it runs.
  const checked = (side: Side, i: number): Side => {
    const logits = unrolled[i]?.output;
    if (dtype === "float32" || logits === undefined) return side;
    const output = async () => {
      await side.run();
      return logits();
    };
    return { ...side, output };
  };
  const sides = [ours, ...languageModels.map((peer) => peer.side("decode", request))];
  return {
    sides: sides.map(checked),
    bound: boundOf(matrices, "its weights read from memory, each the fastest of 4 ways", "read", {
      times: steps,
    }),
    // Token ids have no distance: a near id is another token.
    tolerance: dtype === "float32" ? 0 : tolerance,
    close: () => undefined,
  };
}

function modelRows(dtype: Dtype): Group {
  let models: Models;
  const suffix = dtype === "float32" ? "" : "-bf16";
  const shape = `4 layers of gemma-2-2b's shape, ${dtype}`;
  const slow = dtype !== "float32";
  const forward = (count: number, only?: Device): Row => ({
    id: `C10-${count}${suffix}`,
    what: `forward of ${count} tokens, all logits, ${shape}`,
    work: { count, of: "tokens" },
    slow: slow || count > 100,
    ...(only === undefined ? {} : { only }),
    open: async () => openForward(models, count),
  });
  const decode = (id: string, steps: number, only: Device): Row => ({
    id: `${id}${suffix}`,
    what: `${steps} greedy tokens after a prompt of 16, ${shape}`,
    work: { count: steps, of: "tokens" },
    slow,
    only,
    open: async () => openDecode(models, dtype, 16, steps),
  });
  return {
    rows: [
      forward(32, "cpu"),
      forward(512),
      // A GPU needs more work before its clock reaches full speed.
      forward(4096, "cuda"),
      decode("C11", 8, "cpu"),
      decode("C11-64", 64, "cuda"),
    ],
    open: async (peers) => {
      models = await openModels(peers, dtype);
      return () => models.close();
    },
  };
}

export const modelGroups: readonly Group[] = [modelRows("float32"), modelRows("bfloat16")];
