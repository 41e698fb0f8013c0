import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  GemlensError,
  HookedTransformer,
  type Run,
  SAE,
  Transcoder,
  tensor,
  zeros,
} from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture, hookGoldens, ids } from "../support/fixtures.js";

const folder = "tiny-gemma2/gs1";
const res = { hookName: "blocks.2.hook_resid_post", device };

describe("a coder refuses", () => {
  let model: HookedTransformer;
  let run: Run;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    run = await model.runWithCache(ids(hookGoldens("tiny-gemma2"), "tokens"), {
      names: () => true,
    });
  });
  afterAll(async () => {
    run.dispose();
    await model.dispose();
  });

  test("another width, naming both shapes", async () => {
    using sae = await SAE.fromFile(fixture(`${folder}/att/params.npz`), {
      hookName: "blocks.2.attn.hook_z",
      device,
    });
    const flat = zeros([1, 7, 48], { device: device as "cpu" });
    const error = await failure(() => sae.encode(flat));
    expect(error.code).toBe("SHAPE");
    expect(error.message).toBe("encode: expected [.., 64] for input, got [1, 7, 48]");
    using residual = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    // 3 · 16 = 48, but a residual coder has no heads to flatten.
    using heads = zeros([1, 3, 16], { device: device as "cpu" });
    expect((await failure(() => residual.encode(heads))).code).toBe("SHAPE");
  });

  test("a tensor known to come from another hook, unless unchecked", async () => {
    using sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    const wrong = run.cache.get("blocks.1.hook_resid_post");
    for (const call of [
      () => sae.encode(wrong),
      () => sae.forward(wrong),
      () => sae.error(wrong),
      () => sae.edit(wrong, () => {}),
      () => sae.encode(wrong.clone()),
    ]) {
      const error = await failure(call);
      expect(GemlensError.is(error, "HOOK")).toBe(true);
      expect((error as GemlensError).fields).toMatchObject({
        expected: "blocks.2.hook_resid_post",
        got: "blocks.1.hook_resid_post",
      });
      expect(error.message).toContain("unchecked");
    }
    using anyway = await sae.encode(wrong, { unchecked: true });
    expect(anyway.shape).toEqual([1, 24, 96]);
    // The next block's input is the same tensor.
    using same = await sae.encode(run.cache.get("blocks.3.hook_resid_pre"));
    using right = await sae.encode(run.cache.get("blocks.2.hook_resid_post"));
    expect(same.nnz).toBe(right.nnz);
    expect((await failure(() => sae.encode(wrong.mul(1)))).code).toBe("HOOK");
    // Numbers from a script have no known origin.
    using brought = tensor(await wrong.read("float32"), { shape: wrong.shape, device });
    (await sae.encode(brought)).dispose();
    using stopped = await model.forward([2, 3], { stopAtLayer: 2 });
    expect((await failure(() => sae.encode(stopped))).code).toBe("HOOK");
  });

  test("an input with the norm's gain for a transcoder trained without it, and says why", async () => {
    using coder = await Transcoder.fromFile(fixture(`${folder}/transcoder/plain_layer_1.npz`), {
      hookName: "blocks.1.ln2.hook_normalized",
      hookNameOut: "blocks.1.hook_mlp_out",
      device,
    });
    const error = await failure(() => coder.encode(run.cache.get("blocks.1.mlp.hook_in")));
    expect(error.code).toBe("HOOK");
    expect(error.message).toContain("gain");
  });

  test("a NaN, naming its position", async () => {
    using sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    using x = zeros([1, 3, 48], { device: device as "cpu" });
    x.select(0, 0).select(0, 2).fill_(Number.NaN);
    const error = await failure(() => sae.encode(x));
    expect(error.code).toBe("ARGUMENT");
    expect(error.message).toContain("NaN (not finite) for dimension 0 in row 0, position 2");
  });

  test("activations of another coder", async () => {
    using sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    const small = fixture(`${folder}/variants/plain.npz`);
    using other = await SAE.fromFile(small, res);
    using acts = await other.encode(run.cache.get("blocks.2.hook_resid_post"));
    expect((await failure(() => sae.decode(acts))).code).toBe("SHAPE");
  });

  test("disposed inputs, and every call after its own dispose", async () => {
    const sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    const gone = zeros([1, 3, 48], { device: device as "cpu" });
    gone.dispose();
    for (const call of [
      () => sae.encode(gone),
      () => sae.forward(gone),
      () => sae.error(gone),
      () => sae.edit(gone, () => {}),
    ]) {
      expect((await failure(call)).code).toBe("DISPOSED");
    }
    const x = run.cache.get("blocks.2.hook_resid_post");
    const acts = await sae.encode(x);
    const pending = sae.forward(x);
    sae.dispose();
    sae.dispose();
    expect((await pending).shape).toEqual([1, 24, 48]);
    for (const call of [
      () => sae.encode(x),
      () => sae.forward(x),
      () => sae.decode(acts),
      () => sae.error(x),
      () => sae.edit(x, () => {}),
      () => sae.W_enc,
      () => sae.direction(1),
      () => sae.save("/nowhere/params.npz"),
      () => model.runWithCache([2], { names: [], features: [sae] }),
    ]) {
      const error = await failure(call);
      expect(error.code, `${call}: ${error.message}`).toBe("DISPOSED");
    }
    expect(acts.nnz).toBeGreaterThan(0);
    acts.dispose();
  });

  test("files of the other kind, and files without a known hook", async () => {
    const affine = fixture("gs2/transcoder/layer_2_width_16k_l0_small_affine");
    const transcoder = await failure(() => SAE.fromFile(affine));
    expect(transcoder.code).toBe("ARGUMENT");
    expect(transcoder.message).toContain("Transcoder.fromFile");
    const sae = await failure(() =>
      Transcoder.fromFile(fixture("gs2/resid_post/layer_2_width_16k_l0_small")),
    );
    expect(sae.code).toBe("ARGUMENT");
    expect(sae.message).toContain("SAE.fromFile");
    const unknown = await failure(() => SAE.fromFile(fixture(`${folder}/res/params.npz`)));
    expect(unknown.code).toBe("ARGUMENT");
    expect(unknown.message).toContain("hookName");
    const misspelt = await failure(() =>
      SAE.fromFile(fixture(`${folder}/res/params.npz`), { hookName: "blocks.2.hook_resid_pots" }),
    );
    expect(misspelt.code).toBe("NOT_FOUND");
    expect(misspelt.message).toContain('"blocks.2.hook_resid_post"');
    using alias = await SAE.fromFile(fixture(`${folder}/res/params.npz`), {
      hookName: "blocks.2.hook_out",
    });
    expect(alias.cfg.hookName).toBe("blocks.2.hook_resid_post");
    expect((await failure(() => SAE.fromFile("/no/such.npz"))).code).toBe("NOT_FOUND");
    const option = await failure(() => SAE.fromFile(affine, { hook: "x" } as never));
    expect(option.message).toContain("hookName");
  });
});
