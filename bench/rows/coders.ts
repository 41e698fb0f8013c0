import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SAE, tensor } from "../../lib/index.js";
import type { Peers } from "../peers.js";
import { randomCoderFile, streamDeviation } from "../random-coder.js";
import { gemma2b } from "../random-model.js";
import { randomFiller } from "../random-values.js";
import type { Group, Opened, Row, Side } from "../row.js";
import { temporaryFolder } from "../temporary.js";

const tokens = 512;
const layer = 2;
const { dModel } = gemma2b;

async function open(peers: Peers, dSae: number): Promise<Opened> {
  const values = new Float32Array(tokens * dModel);
  randomFiller(2)(values, streamDeviation(layer));
  const scratch = temporaryFolder();
  const xFile = join(scratch.folder, "x.bin");
  writeFileSync(xFile, values);
  const { path, remove } = await randomCoderFile(layer, dModel, dSae);
  const x = tensor(values, { shape: [1, tokens, dModel] });
  const sae = await SAE.fromFile(path, { hookName: `blocks.${layer}.hook_resid_post` });
  const theirs = await peers.load("saelens", { path, x: xFile, tokens });
  const encoder = await peers.load("matrices", { shapes: [[dSae, dModel]], dtype: "float32" });
  const reconstruct = async () => {
    using acts = await sae.encode(x);
    return sae.decode(acts);
  };
  const ours: Side = {
    name: "gemlens",
    run: async () => (await reconstruct()).dispose(),
    output: async () => {
      using y = await reconstruct();
      return (await y.read()) as Float32Array;
    },
  };
  const gemm = encoder?.side("multiply", { tokens });
  return {
    sides: theirs === undefined ? [ours] : [ours, theirs.side("reconstruct", {})],
    bound: gemm && { ...gemm, name: `the encoder's GEMM alone in float32, ${gemm.name}` },
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

const row = (id: string, width: string, dSae: number, slow: boolean): Row => ({
  id,
  what: `encode and decode of ${tokens} tokens of ${dModel}, ${width} features, L0 70, float32`,
  work: { count: tokens, of: "tokens" },
  slow,
  open: (peers) => open(peers, dSae),
});

export const coderGroup: Group = {
  rows: [row("C1", "16k", 16384, false), row("C2", "65k", 65536, true)],
};
