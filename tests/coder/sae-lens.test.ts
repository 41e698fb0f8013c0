import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ablate, HookedTransformer, SAE, Transcoder } from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";
import {
  A,
  decoded,
  dIn,
  dSae,
  encoded,
  hook,
  input,
  numbers,
  parameters,
  saved,
  sound,
} from "../support/lens-coder.js";
import { f32, type Raw, readRaw, toF32, writeRaw } from "../support/raw-checkpoint.js";

async function featuresOf(path: string, options: object = {}): Promise<Float32Array> {
  using sae = await SAE.fromFile(path, { device, ...options });
  using acts = await sae.encode(input());
  using dense = await acts.toDense();
  return dense.read("float32");
}

describe("loads coders saved by SAELens", () => {
  test.each([
    ["b_dec subtracted", {}, true],
    ["b_dec subtracted by default", { apply_b_dec_to_input: undefined }, true],
    ["b_dec not subtracted", { apply_b_dec_to_input: false }, false],
    [
      "a version before 6",
      { metadata: undefined, hook_point: hook, activation_fn_str: "relu" },
      true,
    ],
    ["no normalisation, in the older notation", { normalize_activations: false }, true],
  ])("%s", async (_, change, subtract) => {
    const dir = saved(change);
    for (const path of [dir, join(dir, "sae_weights.safetensors")]) {
      using sae = await SAE.fromFile(path, { device });
      expect(sae.cfg.hookName).toBe(hook);
      expect(sae.cfg.applyBDecToInput).toBe(subtract);
      using acts = await sae.encode(input());
      using dense = await acts.toDense();
      const want = encoded(subtract);
      expect(relativeError(await dense.read("float32"), want)).toBeLessThan(1e-5);
      using out = await sae.forward(input());
      expect(relativeError(await out.read("float32"), decoded(want, false))).toBeLessThan(1e-5);
      const only = [1, 5, 8, 20];
      using some = await sae.encode(input(), { features: only });
      using part = await some.toDense();
      const kept = want.map((value, i) => (only.includes(i % dSae) ? value : 0));
      expect(relativeError(await part.read("float32"), kept)).toBeLessThan(1e-5);
    }
    using named = await SAE.fromFile(dir, { device });
    if (sound.metadata.model_name && "metadata" in change)
      expect(named.cfg.modelName).toBeUndefined();
  });

  test("loads in the dtype of cfg.json, converted as by SAELens", async () => {
    using half = await SAE.fromFile(saved({ dtype: "torch.bfloat16" }), { device });
    expect(half.cfg.dtype).toBe("bfloat16");
    using asked = await SAE.fromFile(saved({ dtype: "torch.bfloat16" }), {
      device,
      dtype: "float32",
    });
    expect(asked.cfg.dtype).toBe("float32");
  });

  test("ignores a scaling factor of ones", async () => {
    const ones = f32(new Float32Array(dSae).fill(1), [dSae]);
    const dir = saved({ finetuning_scaling_factor: true }, (all) =>
      all.set("scaling_factor", ones),
    );
    expect(relativeError(await featuresOf(dir), encoded(true))).toBeLessThan(1e-5);
  });

  test("encodes at hook_embed without Gemma Scope's factor", async () => {
    const dir = saved({ metadata: { hook_name: "hook_embed" } });
    expect(relativeError(await featuresOf(dir), encoded(true))).toBeLessThan(1e-5);
  });

  test.each([false, true])("loads a transcoder, skip: %s", async (skip) => {
    const metadata = {
      hook_name: "blocks.2.ln2.hook_normalized",
      hook_name_out: "blocks.2.hook_mlp_out",
    };
    const architecture = skip ? "jumprelu_skip_transcoder" : "jumprelu_transcoder";
    const change = { architecture, d_out: dIn, apply_b_dec_to_input: false };
    const dir = saved({ ...change, metadata: { ...sound.metadata, ...metadata } }, (all) => {
      if (skip) all.set("W_skip", f32(A, [dIn, dIn]));
    });
    using coder = await Transcoder.fromFile(dir, { device });
    expect([coder.cfg.hookName, coder.cfg.hookNameOut]).toEqual(Object.values(metadata));
    using out = await coder.forward(input());
    const want = decoded(encoded(false), skip);
    expect(relativeError(await out.read("float32"), want)).toBeLessThan(1e-5);
    const wrong = await failure(() => SAE.fromFile(dir, { device }));
    expect(wrong.message).toContain("Transcoder.fromFile");
    // Saves it and loads it again: the skip connection keeps its orientation.
    const copy = join(newFolder(), "copy");
    await coder.save(copy, { format: "sae-lens" });
    using back = await Transcoder.fromFile(copy, { device });
    using again = await back.forward(input());
    expect(relativeError(await again.read("float32"), want)).toBeLessThan(1e-5);
  });

  test("refuses an SAE as a transcoder, whatever hooks are given", async () => {
    const hooks = { hookName: hook, hookNameOut: "blocks.2.hook_mlp_out" };
    const error = await failure(() => Transcoder.fromFile(saved(), { device, ...hooks }));
    expect(error.code).toBe("ARGUMENT");
  });
});

describe("refuses configuration keys", () => {
  const nan = (raw: Raw, at: number): Raw => {
    const values = toF32(raw);
    values[at] = Number.NaN;
    return f32(values, raw.shape);
  };
  const factors = f32(new Float32Array(dSae).fill(1.5), [dSae]);
  test.each<[string, object, (all: Map<string, Raw>) => void, string]>([
    ["CHECKPOINT", { architecture: "standard" }, () => {}, "threshold"],
    ["CHECKPOINT", {}, (all) => all.delete("threshold"), "threshold"],
    ["UNSUPPORTED", { architecture: "toString" }, () => {}, "architecture"],
    ["UNSUPPORTED", { architecture: "topk", k: 4 }, () => {}, "architecture"],
    ["UNSUPPORTED", { architecture: "gated" }, () => {}, "architecture"],
    ["UNSUPPORTED", { normalize_activations: "layer_norm" }, () => {}, "normalize_activations"],
    ["UNSUPPORTED", { normalize_activations: true }, () => {}, "normalize_activations"],
    [
      "UNSUPPORTED",
      { normalize_activations: "expected_average_only_in" },
      () => {},
      "normalize_activations",
    ],
    ["UNSUPPORTED", { reshape_activations: "hook_z" }, () => {}, "reshape_activations"],
    ["UNSUPPORTED", { activation_fn: "tanh-relu" }, () => {}, "activation_fn"],
    [
      "UNSUPPORTED",
      { metadata: { hook_name: "blocks.2.attn.hook_z", hook_head_index: 3 } },
      () => {},
      "hook_head_index",
    ],
    ["UNSUPPORTED", { hook_point_head_index: 0 }, () => {}, "hook_point_head_index"],
    ["CHECKPOINT", { dtype: "int8" }, () => {}, "dtype"],
    ["CHECKPOINT", { d_in: dIn + 1 }, () => {}, "d_in"],
    ["CHECKPOINT", { d_sae: dSae - 1 }, () => {}, "d_sae"],
    ["CHECKPOINT", { d_sae: undefined }, () => {}, "d_sae"],
    ["CHECKPOINT", { apply_b_dec_to_input: "yes" }, () => {}, "apply_b_dec_to_input"],
    [
      "UNSUPPORTED",
      { architecture: "jumprelu_transcoder", d_out: dIn },
      () => {},
      "apply_b_dec_to_input",
    ],
    ["UNSUPPORTED", {}, (all) => all.set("scaling_factor", factors), "scaling_factor"],
    [
      "UNSUPPORTED",
      {},
      (all) => all.set("finetuning_scaling_factor", factors),
      "finetuning_scaling_factor",
    ],
    [
      "UNSUPPORTED",
      {},
      (all) => {
        all.set("log_threshold", all.get("threshold") as Raw);
        all.delete("threshold");
      },
      "log_threshold",
    ],
    ["CHECKPOINT", {}, (all) => all.set("W_skip", f32(A, [dIn, dIn])), "W_skip"],
    ["CHECKPOINT", {}, (all) => all.set("sparsity", factors), "sparsity"],
    ["CHECKPOINT", {}, (all) => all.set("W_enc", nan(all.get("W_enc") as Raw, 30)), "W_enc"],
  ])("%s %j", async (code, change, edit, field) => {
    const error = await failure(() =>
      SAE.fromFile(saved(change, edit), { device, hookName: hook }),
    );
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(field)]);
  });

  test("weights without their configuration, under any name", async () => {
    for (const name of ["sae_weights", "params", "coder"]) {
      const file = writeRaw(join(newFolder(), `${name}.safetensors`), parameters());
      const error = await failure(() => SAE.fromFile(file, { device, hookName: hook }));
      expect([error.code, error.message]).toEqual([
        "CHECKPOINT",
        expect.stringContaining("cfg.json"),
      ]);
    }
  });

  test("accepts a renamed weights file with its cfg.json in the folder", async () => {
    const dir = saved();
    const file = writeRaw(join(dir, "renamed.safetensors"), parameters());
    expect(relativeError(await featuresOf(file), encoded(true))).toBeLessThan(1e-5);
  });
});

describe("b_dec is subtracted on every path", () => {
  test("in a run, in interventions and in gradients", async () => {
    const width = 48; // tiny-gemma2's width
    const dir = newFolder();
    const metadata = { ...sound.metadata, hook_name: hook };
    writeFileSync(
      join(dir, "cfg.json"),
      JSON.stringify({ ...sound, d_in: width, metadata: metadata }),
    );
    const values = (count: number, seed: number, shape: number[]) =>
      f32(numbers(count, seed), shape);
    const params = new Map([
      ["W_enc", values(width * dSae, 11, [width, dSae])],
      ["W_dec", values(width * dSae, 12, [dSae, width])],
      ["b_enc", values(dSae, 13, [dSae])],
      ["b_dec", values(width, 14, [width])],
      ["threshold", f32(new Float32Array(dSae), [dSae])],
    ]);
    writeRaw(join(dir, "sae_weights.safetensors"), params);
    using sae = await SAE.fromFile(dir, { device });
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), {
      device,
      dtype: "float32",
    });
    const tokens = [2, 50, 60, 70];
    using run = await model.runWithCache(tokens, { names: [hook], features: [sae] });
    const at = (await run.cache.get(hook).read("float32")).subarray(3 * width);
    const [w, bias, offset] = ["W_enc", "b_enc", "b_dec"].map((name) =>
      toF32(params.get(name) as Raw),
    ) as [Float32Array, Float32Array, Float32Array];
    const want = Array.from({ length: dSae }, (_, feature) => {
      let pre = bias[feature] as number;
      for (let k = 0; k < width; k++) {
        pre += ((at[k] as number) - (offset[k] as number)) * (w[k * dSae + feature] as number);
      }
      return Math.max(pre, 0);
    });
    using dense = await run.features(sae).toDense();
    const row = (await dense.read("float32")).subarray(3 * dSae);
    expect(relativeError(row, want)).toBeLessThan(1e-4);

    const active = want.indexOf(Math.max(...want));
    using gradients = await model.runWithGradients(tokens, {
      names: [hook],
      target: { feature: sae.feature(active), position: -1 },
    });
    expect(gradients.value).toBeCloseTo(want[active] as number, 2);

    using edited = await model.runWithCache(tokens, {
      names: [hook],
      interventions: [ablate(sae.feature(active), { positions: [-1] })],
    });
    const after = (await edited.cache.get(hook).read("float32")).subarray(3 * width);
    const decoder = toF32(params.get("W_dec") as Raw).subarray(
      active * width,
      (active + 1) * width,
    );
    const moved = at.map((value, k) => value - (want[active] as number) * (decoder[k] as number));
    expect(relativeError(after, moved)).toBeLessThan(1e-4);
  });
});

describe("saving", () => {
  test("keeps apply_b_dec_to_input in SAELens' format, and refuses it in other formats", async () => {
    const dir = saved({ metadata: { ...sound.metadata, sae_lens_version: "6.0.0" } });
    using sae = await SAE.fromFile(dir, { device });
    const copy = join(newFolder(), "copy");
    for (const path of [`${copy}.npz`, copy]) {
      const error = await failure(() => sae.save(path));
      expect([error.code, error.message]).toEqual([
        "UNSUPPORTED",
        expect.stringContaining("sae-lens"),
      ]);
      expect(existsSync(path)).toBe(false);
    }
    await sae.save(copy, { format: "sae-lens" });
    const cfg = (folder: string) => JSON.parse(readFileSync(join(folder, "cfg.json"), "utf8"));
    expect(cfg(copy)).toEqual({
      ...cfg(dir),
      metadata: { ...cfg(dir).metadata, model_name: "gemma-2-2b" },
    });
    const weights = (folder: string) => readRaw(join(folder, "sae_weights.safetensors"));
    expect(weights(copy)).toEqual(weights(dir));
    expect((await failure(() => sae.save(copy, { format: "x" as "sae-lens" }))).code).toBe(
      "ARGUMENT",
    );
  });
});
