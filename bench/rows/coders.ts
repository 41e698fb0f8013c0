import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SAE, tensor } from "../../lib/index.js";
import { finish } from "../finish.js";
import type { Peers } from "../peers.js";
import { randomCoderFile, streamDeviation } from "../random-coder.js";
import { gemma2b } from "../random-model.js";
import { randomFiller } from "../random-values.js";
import type { Device, Group, Opened, Row, Side } from "../row.js";
import { temporaryFolder } from "../temporary.js";

// A GPU needs more tokens to be busy.
const tokensOn = { cpu: 512, cuda: 4096 } as const;
const layer = 2;
const { dModel } = gemma2b;

async function open(peers: Peers, dSae: number): Promise<Opened> {
  const { device } = peers;
  const tokens = tokensOn[device];
  const values = new Float32Array(tokens * dModel);
  randomFiller(2)(values, streamDeviation(layer));
  const scratch = temporaryFolder();
  const xFile = join(scratch.folder, "x.bin");
  writeFileSync(xFile, values);
  const { path, remove } = await randomCoderFile(layer, dModel, dSae);
  const x = tensor(values, { shape: [1, tokens, dModel], device });
  const hookName = `blocks.${layer}.hook_resid_post`;
  const sae = await SAE.fromFile(path, { device, hookName });
  const theirs = await peers.load("saelens", { path, x: xFile, tokens });
  const encoder = await peers.load("matrices", { shapes: [[dSae, dModel]], dtype: "float32" });
  const reconstruct = async () => {
    using acts = await sae.encode(x);
    return sae.decode(acts);
  };
  const ours: Side = {
    name: "gemlens",
    run: async () => finish(await reconstruct()),
    output: async () => {
      using y = await reconstruct();
      return (await y.read()) as Float32Array;
    },
  };
  const gemm = encoder?.side("multiply", { tokens });
  return {
    sides: theirs === undefined ? [ours] : [ours, theirs.side("reconstruct", {})],
    bound: gemm && {
      ...gemm,
      name: `the encoder's GEMM alone in float32, the faster of 2 ways, ${gemm.name}`,
    },
    tolerance: 1e-3,
    close: async () => {
      await theirs?.unload();
      await encoder?.unload();
      sae.dispose();
      x.dispose();
      remove();
      scratch.remove();
    },
  };
}

const row = (id: string, device: Device, width: string, dSae: number): Row => ({
  id,
  what: `encode and decode of ${tokensOn[device]} tokens of ${dModel}, ${width} features, L0 70, float32`,
  work: { count: tokensOn[device], of: "tokens" },
  slow: dSae > 20_000,
  only: device,
  open: (peers) => open(peers, dSae),
});

export const coderGroup: Group = {
  rows: [
    row("C1", "cpu", "16k", 16384),
    row("C2", "cpu", "65k", 65536),
    row("G3-16k", "cuda", "16k", 16384),
    row("G3-65k", "cuda", "65k", 65536),
  ],
};
