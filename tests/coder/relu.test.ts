import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SAE, Transcoder } from "../../lib/index.js";
import { device, relativeError } from "../support/compare.js";
import { newFolder } from "../support/folder.js";
import { A, decoded, dIn, encoded, input, saved } from "../support/lens-coder.js";
import { f32, type Raw, readRaw } from "../support/raw-checkpoint.js";

// The oracle is relu(x W_enc + b_enc) in float64, as in SAELens' StandardSAE and Transcoder.
describe("loads ReLU coders, which have no thresholds", () => {
  const relu = (change: object, edit: (all: Map<string, Raw>) => void = () => {}) =>
    saved({ architecture: "standard", ...change }, (all) => {
      all.delete("threshold");
      edit(all);
    });

  test.each([
    ["b_dec subtracted", {}, true],
    ["b_dec not subtracted", { apply_b_dec_to_input: false }, false],
    ["an older file without an architecture", { architecture: undefined }, true],
  ])("%s", async (_, change, subtract) => {
    using sae = await SAE.fromFile(relu(change), { device });
    expect([sae.cfg.architecture, sae.cfg.applyBDecToInput]).toEqual(["relu", subtract]);
    expect([...(await sae.threshold.read())].every((value) => value === 0)).toBe(true);
    const want = encoded(subtract, false);
    expect(want.filter((value) => value > 0).length).toBeGreaterThan(
      encoded(subtract).filter((value) => value > 0).length,
    );
    using acts = await sae.encode(input());
    using dense = await acts.toDense();
    expect(relativeError(await dense.read("float32"), want)).toBeLessThan(1e-5);
    using out = await sae.forward(input());
    expect(relativeError(await out.read("float32"), decoded(want, false))).toBeLessThan(1e-5);
    // A saved copy has no thresholds either, and the same architecture.
    const copy = join(newFolder(), "copy");
    await sae.save(copy, { format: "sae-lens" });
    expect([...readRaw(join(copy, "sae_weights.safetensors")).keys()]).not.toContain("threshold");
    using back = await SAE.fromFile(copy, { device });
    expect(back.cfg.architecture).toBe("relu");
    using again = await back.forward(input());
    expect(await again.read()).toEqual(await out.read());
  });

  test.each([false, true])("loads a transcoder, skip: %s", async (skip) => {
    const hooks = {
      hook_name: "blocks.2.ln2.hook_normalized",
      hook_name_out: "blocks.2.hook_mlp_out",
    };
    const architecture = skip ? "skip_transcoder" : "transcoder";
    const change = { architecture, d_out: dIn, apply_b_dec_to_input: false, metadata: hooks };
    const dir = relu(change, (all) => {
      if (skip) all.set("W_skip", f32(A, [dIn, dIn]));
    });
    using coder = await Transcoder.fromFile(dir, { device });
    using out = await coder.forward(input());
    const want = decoded(encoded(false, false), skip);
    expect(relativeError(await out.read("float32"), want)).toBeLessThan(1e-5);
    const copy = join(newFolder(), "copy");
    await coder.save(copy, { format: "sae-lens" });
    expect(JSON.parse(readFileSync(join(copy, "cfg.json"), "utf8")).architecture).toBe(
      architecture,
    );
  });
});
