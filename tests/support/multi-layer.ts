import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "./folder.js";
import { Random } from "./random.js";
import { f32, type Raw, writeRaw } from "./raw-checkpoint.js";

/** One site of a coder of several layers: its encoder, and what its features write. */
export interface LayerWeights {
  readonly wEnc: Float32Array; // [width, features]
  readonly bEnc: Float32Array;
  readonly threshold: Float32Array | undefined;
  readonly wDec: Float32Array; // [features, sites, width]; zeros before its own site
  readonly bDec: Float32Array;
  readonly skip: Float32Array | undefined; // [width, width], as x·A
}

/** A coder of several layers, and the published formula in float64. */
export class MultiLayerWeights {
  readonly sites: number;
  readonly dSae: number;

  constructor(
    readonly width: number,
    readonly counts: readonly number[],
    readonly layers: readonly LayerWeights[],
  ) {
    this.sites = layers.length;
    this.dSae = counts.reduce((all, count) => all + count, 0);
  }

  /** Random weights. `counts`: the features of each encoder. */
  static random(
    seed: string,
    width: number,
    counts: readonly number[],
    { skip = false, relu = [] as readonly number[] } = {},
  ): MultiLayerWeights {
    const sites = counts.length;
    const layers = counts.map((count, own) => {
      const numbers = (name: string, length: number, scale: number) =>
        Float32Array.from(
          new Random(`${seed} ${own} ${name}`).normals(length),
          (value) => value * scale,
        );
      return {
        wEnc: numbers("wEnc", width * count, 0.4),
        bEnc: numbers("bEnc", count, 0.1),
        threshold: relu.includes(own) ? undefined : numbers("threshold", count, 0.2).map(Math.abs),
        wDec: numbers("wDec", count * sites * width, 0.4).map((value, i) =>
          Math.floor(i / width) % sites < own ? 0 : value,
        ),
        bDec: numbers("bDec", width, 0.1),
        skip: skip ? numbers("skip", width * width, 0.05) : undefined,
      };
    });
    return new MultiLayerWeights(width, counts, layers);
  }

  /** The encoder of a flat id, and its index there. */
  locate(id: number): [own: number, feature: number] {
    let left = id;
    for (const [own, count] of this.counts.entries()) {
      if (left < count) return [own, left];
      left -= count;
    }
    throw new Error(`no feature ${id}`);
  }

  preActivation(x: ArrayLike<number>, row: number, id: number): number {
    const [own, feature] = this.locate(id);
    const { wEnc, bEnc } = this.layers[own] as LayerWeights;
    const count = this.counts[own] as number;
    let pre = bEnc[feature] as number;
    for (let k = 0; k < this.width; k++) {
      pre += (x[row * this.width + k] as number) * (wEnc[k * count + feature] as number);
    }
    return pre;
  }

  /** f [rows, dSae]: pre where pre > max(threshold, 0). A site without x has no features. */
  encode(xs: readonly (ArrayLike<number> | undefined)[]): Float64Array {
    const rows = (xs.find((x) => x !== undefined)?.length ?? 0) / this.width;
    return Float64Array.from({ length: rows * this.dSae }, (_, i) => {
      const [row, id] = [Math.floor(i / this.dSae), i % this.dSae];
      const [own, feature] = this.locate(id);
      const x = xs[own];
      if (x === undefined) return 0;
      const pre = this.preActivation(x, row, id);
      return pre > Math.max(this.layers[own]?.threshold?.[feature] ?? 0, 0) ? pre : 0;
    });
  }

  /** W_dec of a flat id at a site. */
  row(id: number, site: number): Float32Array {
    const [own, feature] = this.locate(id);
    const begin = (feature * this.sites + site) * this.width;
    return (this.layers[own] as LayerWeights).wDec.subarray(begin, begin + this.width);
  }

  /** Σ f·W_dec at a site [rows, width]; `own`: of the features that its own encoder has. */
  written(f: ArrayLike<number>, site: number, own = false): Float64Array {
    const rows = f.length / this.dSae;
    const out = new Float64Array(rows * this.width);
    for (let id = 0; id < this.dSae; id++) {
      if (own && this.locate(id)[0] !== site) continue;
      const direction = this.row(id, site);
      for (let r = 0; r < rows; r++) {
        const value = f[r * this.dSae + id] as number;
        if (value === 0) continue;
        for (let k = 0; k < this.width; k++) {
          out[r * this.width + k] =
            (out[r * this.width + k] as number) + value * (direction[k] as number);
        }
      }
    }
    return out;
  }

  /** The reconstruction at a site: Σ f·W_dec + b_dec + x·A. */
  rebuilt(f: ArrayLike<number>, site: number, x: ArrayLike<number>): Float64Array {
    const { bDec, skip } = this.layers[site] as LayerWeights;
    const { width } = this;
    return this.written(f, site).map((value, i) => {
      const [row, k] = [Math.floor(i / width), i % width];
      let sum = value + (bDec[k] as number);
      for (let j = 0; skip !== undefined && j < width; j++) {
        sum += (x[row * width + j] as number) * (skip[j * width + k] as number);
      }
      return sum;
    });
  }
}

/** Changes of a folder that a test makes before it is written. */
export interface Written {
  /** Keys of config.json or lines of config.yaml, over the usual ones; undefined leaves one out. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Changes the tensors of a file. */
  readonly tensors?: (tensors: Map<string, Raw>, file: string) => void;
  readonly folder?: string;
}

/** A folder in Gemma Scope 2's layout. */
export function writeGemmaScope2(
  weights: MultiLayerWeights,
  layers: readonly number[] | "all",
  { config = {}, tensors, folder = newFolder() }: Written = {},
): string {
  const at = layers === "all" ? "{all}" : `{${layers.join(",")}}`;
  const isClt = layers === "all";
  const affine = weights.layers[0]?.skip !== undefined;
  mkdirSync(folder, { recursive: true });
  const usual = {
    hf_hook_point_in: `model.layers.${at}.${isClt ? "pre_feedforward_layernorm.output" : "output"}`,
    hf_hook_point_out: `model.layers.${at}.${isClt ? "post_feedforward_layernorm.output" : "output"}`,
    width: weights.dSae,
    model_name: "google/gemma-3-1b-it",
    architecture: "jump_relu",
    l0: 60,
    affine_connection: affine,
    type: isClt ? "clt" : "crosscoder",
    ...config,
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(usual));
  for (const [site, layer] of weights.layers.entries()) {
    writePublished(weights, site, layer, join(folder, `params_layer_${site}.safetensors`), tensors);
  }
  return folder;
}

function writePublished(
  { width, counts, sites }: MultiLayerWeights,
  site: number,
  { wEnc, bEnc, threshold, wDec, bDec, skip }: LayerWeights,
  file: string,
  change: Written["tensors"],
): void {
  const count = counts[site] as number;
  const tensors = new Map([
    ["w_enc", f32(wEnc, [width, count])],
    ["w_dec", f32(wDec, [count, sites, width])],
    ["b_enc", f32(bEnc, [count])],
    ["b_dec", f32(bDec, [width])],
    ["threshold", f32(threshold ?? new Float32Array(count), [count])],
    ...(skip === undefined ? [] : [["affine_skip_connection", f32(skip, [width, width])] as const]),
  ]);
  change?.(tensors, file);
  writeRaw(file, tensors);
}

/** A folder in the layout that circuit-tracer reads. */
export function writeCircuitTracer(
  weights: MultiLayerWeights,
  { config = {}, tensors, folder = newFolder() }: Written = {},
): string {
  const { width, counts, sites } = weights;
  const usual = {
    model_name: '"google/gemma-2-2b"',
    model_kind: '"cross_layer_transcoder"',
    feature_input_hook: '"hook_resid_mid"',
    feature_output_hook: '"hook_mlp_out"',
    scan: '"somebody/clt-tiny"',
    ...config,
  };
  const lines = Object.entries(usual).filter(([, value]) => value !== undefined);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.yaml"), lines.map(([k, v]) => `${k}: ${v}\n`).join(""));
  for (const [i, { wEnc, bEnc, threshold, wDec, bDec }] of weights.layers.entries()) {
    const count = counts[i] as number;
    const byFeature = Float32Array.from({ length: width * count }, (_, at) => {
      const [feature, k] = [Math.floor(at / width), at % width];
      return wEnc[k * count + feature] as number;
    });
    const later = wDec.filter((_, at) => Math.floor(at / width) % sites >= i);
    const encoder = new Map([
      [`W_enc_${i}`, f32(byFeature, [count, width])],
      [`b_enc_${i}`, f32(bEnc, [count])],
      [`b_dec_${i}`, f32(bDec, [width])],
      ...(threshold === undefined ? [] : [[`threshold_${i}`, f32(threshold, [count])] as const]),
    ]);
    const decoder = new Map([[`W_dec_${i}`, f32(later, [count, sites - i, width])]]);
    for (const [name, map] of [
      [`W_enc_${i}.safetensors`, encoder],
      [`W_dec_${i}.safetensors`, decoder],
    ] as const) {
      tensors?.(map, name);
      writeRaw(join(folder, name), map);
    }
  }
  return folder;
}
