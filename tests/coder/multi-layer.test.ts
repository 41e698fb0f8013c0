import { readdirSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import {
  Crosscoder,
  CrossLayerTranscoder,
  type FeatureActs,
  type MultiLayerCoder,
  type MultiLayerFileOptions,
  type Tensor,
  tensor,
} from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { newFolder } from "../support/folder.js";
import { MultiLayerWeights, writeCircuitTracer, writeGemmaScope2 } from "../support/multi-layer.js";
import { Random } from "../support/random.js";

const [width, rows] = [16, 7];

interface Kind {
  readonly weights: MultiLayerWeights;
  readonly folder: string;
  readonly own: boolean; // edits are added at the encoder's own site
  readonly load: (options?: MultiLayerFileOptions) => Promise<MultiLayerCoder>;
}

function clt(seed: string, skip: boolean): Kind {
  const weights = MultiLayerWeights.random(seed, width, [12, 12, 12, 12], { skip });
  const folder = writeGemmaScope2(weights, "all");
  const load = (options = {}) => CrossLayerTranscoder.fromFile(folder, { device, ...options });
  return { weights, folder, own: false, load };
}

function crosscoder(sites: "own" | "all"): Kind {
  const weights = MultiLayerWeights.random("crosscoder", width, [12, 12, 12]);
  const folder = writeGemmaScope2(weights, [1, 3, 4]);
  const load = (options = {}) => Crosscoder.fromFile(folder, { device, sites, ...options });
  return { weights, folder, own: sites === "own", load };
}

function circuitTracer(relu: readonly number[]): Kind {
  const weights = MultiLayerWeights.random(`set ${relu}`, width, [12, 12, 12, 12], { relu });
  const folder = writeCircuitTracer(weights);
  const load = (options = {}) => CrossLayerTranscoder.fromFile(folder, { device, ...options });
  return { weights, folder, own: false, load };
}

const kinds: readonly (readonly [string, () => Kind])[] = [
  ["Gemma Scope 2's cross-layer transcoder", () => clt("clt", false)],
  ["the same with affine skips", () => clt("skip", true)],
  ["a crosscoder", () => crosscoder("own")],
  ["a crosscoder that is edited at all sites", () => crosscoder("all")],
  ["circuit-tracer's set", () => circuitTracer([])],
  ["circuit-tracer's set with one layer of ReLU", () => circuitTracer([1])],
  ["circuit-tracer's set of ReLU", () => circuitTracer([0, 1, 2, 3])],
];

const normals = (seed: string) => Float32Array.from(new Random(seed).normals(rows * width));
const upload = (values: Float32Array, dtype: "float32" | "bfloat16" = "float32"): Tensor =>
  tensor(values, { shape: [1, rows, width], device: device as "cpu" }).to(dtype);
async function dense(acts: FeatureActs): Promise<Float64Array> {
  using all = await acts.toDense();
  return (await all.read("float64")) as Float64Array;
}
const read = async (t: Tensor | undefined) => (await t?.read("float64")) as Float64Array;

describe.each(kinds)("%s", (_, make) => {
  const kind = make();
  const { weights, own } = kind;
  const xs = weights.layers.map((__, site) => normals(`x ${site}`));
  const ys = weights.layers.map((__, site) => normals(`y ${site}`));
  const f = weights.encode(xs);

  test.each([
    ["loaded", undefined],
    ["in its files", 0],
  ])("rebuilds and edits by the published formula, %s", async (__, maxDecoderBytes) => {
    using coder = await kind.load({ maxDecoderBytes });
    const inputs = xs.map((x) => upload(x));
    const outputs = ys.map((y) => upload(y));
    using acts = await coder.encode(inputs);
    expect(relativeError(await dense(acts), f)).toBeLessThan(1e-5);
    const ids = [...f.keys()].filter((i) => (f[i] as number) > 0).map((i) => i % weights.dSae);
    const first = ids[0] as number;
    const last = ids.at(-1) as number;
    expect(weights.locate(first)[0]).toBeLessThan(weights.locate(last)[0]);

    const decoded = await coder.decode(acts, inputs);
    const forward = await coder.forward(inputs);
    const error = await coder.error(inputs, outputs);
    const edited = await coder.edit(inputs, outputs, (all) => void all.zero(first).set(last, 2));
    const change = f.map((value, i) => {
      const id = i % weights.dSae;
      return id === first ? -value : id === last ? 2 - value : 0;
    });
    for (const [site, x] of xs.entries()) {
      const rebuilt = weights.rebuilt(f, site, x);
      const y = ys[site] as Float32Array;
      expect(relativeError(await read(decoded[site]), rebuilt)).toBeLessThan(1e-5);
      expect(relativeError(await read(forward[site]), rebuilt)).toBeLessThan(1e-5);
      const left = rebuilt.map((value, i) => (y[i] as number) - value);
      expect(relativeError(await read(error[site]), left)).toBeLessThan(1e-5);
      const moved = weights.written(change, site, own).map((value, i) => value + (y[i] as number));
      expect(relativeError(await read(edited[site]), moved)).toBeLessThan(1e-5);
    }
    using some = await coder.encode(inputs, { features: [first, last] });
    const kept = f.map((value, i) => ([first, last].includes(i % weights.dSae) ? value : 0));
    expect(relativeError(await dense(some), kept)).toBeLessThan(1e-5);
    using none = await coder.encode(inputs, { features: [] });
    const empty = await coder.decode(none, inputs);
    const biases = weights.rebuilt(new Float64Array(f.length), 0, xs[0] as Float32Array);
    expect(relativeError(await read(empty[0]), biases)).toBeLessThan(1e-5);
  });

  test.each([undefined, 0])("has directions and places, with a budget of %s", async (budget) => {
    using coder = await kind.load({ maxDecoderBytes: budget });
    const { sites, dSae } = weights;
    for (const id of [0, 5, 13, dSae - 1]) {
      const [site, index] = weights.locate(id);
      expect(coder.locate(id)).toEqual({ layer: coder.cfg.reads[site]?.layer, index });
      using encoder = coder.direction(id, "encoder");
      const count = weights.counts[site] as number;
      const column = weights.layers[site]?.wEnc.filter((__, at) => at % count === index);
      expect(await encoder.read()).toEqual(column);
      for (let write = 0; write < sites; write++) {
        if (write < site) {
          const error = await failure(() => coder.direction(id, "decoder", write));
          expect(error.code).toBe("ARGUMENT");
          continue;
        }
        using direction = coder.direction(id, "decoder", write);
        expect(await direction.read()).toEqual(weights.row(id, write));
        expect((await failure(() => direction.fill_(0))).message).toContain("are refused");
      }
    }
    expect(coder.feature(3)).toEqual({ coder, feature: 3 });
    expect(inspect(coder)).toContain(`${width} → ${dSae} → ${width}`);
  });

  test.each([undefined, 0])(
    "is saved in the layout it had, with a budget of %s",
    async (budget) => {
      const path = join(newFolder(), "saved");
      {
        using coder = await kind.load({ maxDecoderBytes: budget });
        await coder.save(path);
        expect(readdirSync(path).sort()).toEqual(readdirSync(kind.folder).sort());
        const again = coder instanceof Crosscoder ? Crosscoder : CrossLayerTranscoder;
        using back = await again.fromFile(path, { device });
        const { path: __, ...cfg } = coder.cfg;
        expect(back.cfg).toMatchObject(cfg);
        const inputs = xs.map((x) => upload(x));
        using a = await coder.encode(inputs);
        using b = await back.encode(inputs);
        expect(await dense(b)).toEqual(await dense(a));
        const [c, d] = [await coder.decode(a, inputs), await back.decode(a, inputs)];
        for (const [site, t] of c.entries()) expect(await read(d[site])).toEqual(await read(t));
      }
    },
  );

  test("computes in bfloat16 whether the decoders are loaded or in their files", async () => {
    const loads = [undefined, 0].map((maxDecoderBytes) =>
      kind.load({ dtype: "bfloat16", maxDecoderBytes }),
    );
    const [a, b] = (await Promise.all(loads)) as [MultiLayerCoder, MultiLayerCoder];
    expect([a.cfg.dtype, b.cfg.dtype]).toEqual(["bfloat16", "bfloat16"]);
    const inputs = xs.map((x) => upload(x, "bfloat16"));
    using acts = await a.encode(inputs);
    const [ya, yb] = [await a.decode(acts, inputs), await b.decode(acts, inputs)];
    for (const [site, t] of ya.entries()) {
      expect(await read(yb[site])).toEqual(await read(t));
      const want = weights.rebuilt(await dense(acts), site, xs[site] as Float32Array);
      expect(relativeError(await read(t), want)).toBeLessThan(3e-2);
    }
    using direction = b.direction(weights.dSae - 1, "decoder", weights.sites - 1);
    expect(direction.dtype).toBe("bfloat16");
    a.dispose();
    b.dispose();
  });
});

test("decoders in their files are checked where they are read", async () => {
  const weights = MultiLayerWeights.random("bad", width, [4, 4]);
  const folder = writeGemmaScope2(weights, "all", {
    tensors: (tensors, file) => {
      if (!file.includes("layer_1")) return;
      const { bytes } = tensors.get("w_dec") as { bytes: Uint8Array };
      // Feature 2 at site 1.
      new DataView(bytes.buffer, bytes.byteOffset).setFloat32(
        4 * ((2 * 2 + 1) * width + 3),
        Number.NaN,
        true,
      );
    },
  });
  const whole = await failure(() => CrossLayerTranscoder.fromFile(folder, { device }));
  expect([whole.code, whole.message]).toEqual(["CHECKPOINT", expect.stringContaining("feature 2")]);
  using coder = await CrossLayerTranscoder.fromFile(folder, { device, maxDecoderBytes: 0 });
  using good = coder.direction(5, "decoder", 1);
  expect(good.shape).toEqual([width]);
  const bad = await failure(() => coder.direction(6, "decoder", 1));
  expect([bad.code, bad.message]).toEqual([
    "CHECKPOINT",
    expect.stringMatching(/params_layer_1\.safetensors: .*W_dec.*\[2, 1, 3\]/),
  ]);
  const inputs = [0, 1].map((site) => upload(normals(`x ${site}`)));
  using acts = await coder.encode(inputs);
  acts.set(6, 1);
  expect((await failure(() => coder.decode(acts, inputs))).code).toBe("CHECKPOINT");
});

test("options and kinds are checked", async () => {
  const { folder } = clt("options", false);
  const cross = crosscoder("own").folder;
  const tries: [string, string, () => Promise<unknown>][] = [
    ["ARGUMENT", "Crosscoder.fromFile", () => CrossLayerTranscoder.fromFile(cross)],
    ["ARGUMENT", "CrossLayerTranscoder.fromFile", () => Crosscoder.fromFile(folder)],
    ["ARGUMENT", "sites", () => Crosscoder.fromFile(cross, { sites: "both" as "all" })],
    [
      "ARGUMENT",
      "sites",
      () => CrossLayerTranscoder.fromFile(folder, { sites: "all" } as MultiLayerFileOptions),
    ],
    [
      "ARGUMENT",
      "maxDecoderBytes",
      () => CrossLayerTranscoder.fromFile(folder, { maxDecoderBytes: -1 }),
    ],
    ["ARGUMENT", "dtype", () => Crosscoder.fromFile(cross, { dtype: "int8" as "auto" })],
    ["NOT_FOUND", "none", () => Crosscoder.fromFile("/nowhere/at/all")],
  ];
  for (const [code, part, attempt] of tries) {
    const error = await failure(attempt);
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(part)]);
  }
  const signal = AbortSignal.abort(new Error("stop"));
  expect((await failure(() => Crosscoder.fromFile(cross, { signal }))).message).toBe("stop");
});
