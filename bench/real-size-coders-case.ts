// Runs one coder of real-size-coders.ts in its own process and prints what it took as JSON.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Crosscoder, CrossLayerTranscoder, type Tensor, zeros } from "../lib/index.js";
import { active, decoderValue, lastActive, type SparseCoder } from "./sparse-coder.js";

export interface CoderSizes {
  readonly fileBytes: number;
  readonly features: number;
  readonly openMs: number;
  readonly encodeMs: number;
  readonly decodeMs: number;
  readonly editMs: number;
  readonly peakAnonymous: number;
  readonly peakResident: number;
}

const tokens = 64;

function memory(field: "RssAnon" | "VmHWM"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, result: T]> {
  const start = performance.now();
  const result = await work();
  return [performance.now() - start, result];
}

/** Throws unless a tensor has this value at all elements. */
async function expectValue(what: string, got: Tensor | undefined, want: number): Promise<void> {
  const values = (await got?.read("float32")) as Float32Array;
  const at = values.findIndex((value) => Math.abs(value - want) > 1e-5 * Math.abs(want));
  if (at >= 0) throw new Error(`${what}: expected ${want}, got ${values[at]} at ${at}`);
}

async function main(folder: string, shape: SparseCoder): Promise<void> {
  let peakAnonymous = 0;
  const look = () => {
    peakAnonymous = Math.max(peakAnonymous, memory("RssAnon"));
  };
  const sampler = setInterval(look, 10);
  const load = shape.kind === "clt" ? CrossLayerTranscoder : Crosscoder;
  const [openMs, coder] = await timed(() => load.fromFile(folder));
  const { layers } = shape;
  const xs = layers.map(() => zeros([1, tokens, shape.width]));
  const [encodeMs, acts] = await timed(() => coder.encode(xs));
  if (acts.nnz !== active * layers.length * tokens) throw new Error(`${acts.nnz} active features`);
  const [decodeMs, decoded] = await timed(() => coder.decode(acts, xs));
  const feature = lastActive(shape);
  const written = (site: number) =>
    layers.reduce((sum, _, encoder) => sum + decoderValue(shape, encoder, feature, site), 0);
  for (const [site, tensor] of decoded.entries()) {
    await expectValue(`decode at site ${site}`, tensor, written(site));
  }
  const [editMs, edited] = await timed(() => coder.edit(xs, xs, (all) => void all.zero(feature)));
  for (const [site, tensor] of edited.entries()) {
    const own = shape.kind === "crosscoder" && site > 0;
    const change = own ? 0 : -decoderValue(shape, 0, feature, site);
    await expectValue(`edit at site ${site}`, tensor, change);
  }
  const last = layers.length - 1;
  using row = coder.direction(last * shape.features + feature, "decoder", last);
  await expectValue("direction", row, decoderValue(shape, last, feature, last));
  look();
  clearInterval(sampler);
  const sizes: CoderSizes = {
    fileBytes: readdirSync(folder).reduce(
      (sum, name) => sum + statSync(join(folder, name)).size,
      0,
    ),
    features: coder.cfg.dSae,
    openMs,
    encodeMs,
    decodeMs,
    editMs,
    peakAnonymous,
    peakResident: memory("VmHWM"),
  };
  console.log(JSON.stringify(sizes));
}

const [folder, shape] = process.argv.slice(2);
if (folder !== undefined && shape !== undefined) main(folder, JSON.parse(shape) as SparseCoder);
