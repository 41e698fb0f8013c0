import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SAE, Transcoder } from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";
import { readRaw, writeRaw } from "../support/raw-checkpoint.js";

const name = "transcoder/layer_2_width_16k_l0_small_affine";

/** The published fixture with one changed element of one parameter. */
function changed(key: string, at: (shape: readonly number[]) => number, value: number): string {
  const dir = newFolder();
  writeFileSync(
    join(dir, "config.json"),
    readFileSync(join(fixture(`gs2/${name}`), "config.json")),
  );
  const tensors = readRaw(join(fixture(`gs2/${name}`), "params.safetensors"));
  const raw = tensors.get(key);
  if (raw === undefined) throw new Error(key);
  const bytes = new Uint8Array(raw.bytes);
  const view = new DataView(bytes.buffer);
  const index = at(raw.shape);
  if (raw.dtype === "F32") view.setFloat32(4 * index, value, true);
  else view.setUint16(2 * index, Number.isNaN(value) ? 0x7fc0 : value > 0 ? 0x7f80 : 0xff80, true);
  tensors.set(key, { ...raw, bytes });
  writeRaw(join(dir, "params.safetensors"), tensors);
  return dir;
}

const last = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1) - 1;

describe("refuses a parameter that is not finite at load, naming parameter and feature", () => {
  const column = ([, width = 0]: readonly number[]) => 3 * width + 7;
  const row = ([, width = 0]: readonly number[]) => 7 * width + 2;
  test.each<[string, (shape: readonly number[]) => number, number, string, string | undefined]>([
    ["w_enc", column, Number.NaN, "W_enc", "feature 7"],
    ["w_enc", last, Number.POSITIVE_INFINITY, "W_enc", undefined],
    ["w_dec", row, Number.NEGATIVE_INFINITY, "W_dec", "feature 7"],
    ["b_enc", () => 5, Number.NaN, "b_enc", "feature 5"],
    ["b_dec", () => 1, Number.NaN, "b_dec", undefined],
    ["threshold", () => 4, Number.POSITIVE_INFINITY, "threshold", "feature 4"],
    ["affine_skip_connection", last, Number.NaN, "skip", undefined],
  ])("%s", async (key, at, value, parameter, feature) => {
    const dir = changed(key, at, value);
    for (const dtype of ["auto", "bfloat16"] as const) {
      const error = await failure(() => Transcoder.fromFile(dir, { device, dtype }));
      expect(error.code).toBe("CHECKPOINT");
      expect(error.message).toContain("params.safetensors");
      expect(error.message).toContain(`for ${parameter}`);
      if (feature) expect(error.message).toContain(feature);
    }
  });

  test("refuses a parameter that becomes infinite in the requested dtype", async () => {
    const dir = changed("w_dec", () => 2, 3.4e38);
    using coder = await Transcoder.fromFile(dir, { device, dtype: "float32" });
    expect(coder.cfg.dtype).toBe("float32");
    const error = await failure(() => Transcoder.fromFile(dir, { device, dtype: "bfloat16" }));
    expect([error.code, error.message]).toEqual(["CHECKPOINT", expect.stringContaining("W_dec")]);
  });

  test("loads the published coders", async () => {
    using coder = await Transcoder.fromFile(fixture(`gs2/${name}`), { device });
    expect(coder.cfg.skip).toBe(true);
    using sae = await SAE.fromFile(fixture("gs2/resid_post/layer_2_width_16k_l0_small"), {
      device,
    });
    expect(sae.cfg.dSae).toBeGreaterThan(0);
  });
});
