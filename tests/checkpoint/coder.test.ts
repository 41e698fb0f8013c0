import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { type ErrorCode, GemlensError, guessFromPath, openCoderFile } from "../../lib/index.js";
import { newFolder } from "../support/folder.js";
import { f4, type Member, npy, zip } from "./zip.js";

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
const gs1 = join(fixtures, "tiny-gemma2/gs1");
const gs2 = join(fixtures, "gs2");

let dir: string;
beforeAll(() => {
  dir = newFolder();
});

describe("Gemma Scope 1", () => {
  test.each([
    ["res/params.npz", 48, "resid_post"],
    ["mlp/params.npz", 48, "mlp_out"],
    ["att/params.npz", 64, "attn_z"],
    ["transcoder/plain_layer_2.npz", 48, "transcoder"],
    ["embedding/width_4k/average_l0_6", 48, "embedding"],
  ])("%s", (path, dIn, site) => {
    const coder = openCoderFile(join(gs1, path));
    expect(coder.kind).toBe("npz");
    expect([coder.dIn, coder.dOut]).toEqual([dIn, site === "transcoder" ? 48 : dIn]);
    expect(coder.params.W_enc.shape).toEqual([dIn, coder.dSae]);
    expect(coder.params.threshold?.shape).toEqual([coder.dSae]);
    expect(coder.params.skip).toBeUndefined();
    expect(coder.guess.site).toBe(site);
  });

  test("accepts lower-case keys, and members in any order", () => {
    const lower = openCoderFile(join(gs1, "variants/lowercase.npz"));
    const plain = openCoderFile(join(gs1, "variants/plain.npz"));
    expect(lower.dSae).toBe(plain.dSae);
    expect(lower.params.W_enc.shape).toEqual(plain.params.W_enc.shape);
    expect(plain.guess).toEqual({});
    expect(openCoderFile(join(gs1, "variants/float64.npz")).params.W_enc.dtype).toBe("float64");
  });
});

describe("metadata inferred from a path", () => {
  const leaf = "layer_20/width_16k/average_l0_71/params.npz";
  const at20 = { layer: 20, width: "16k", l0: 71 };
  const base = { suite: "gemma-scope", modelName: "gemma-2-2b", ...at20 };
  const snapshot = "snapshots/fd571b47c1c64851e9b1989792367b9babb4af63";
  test.each([
    [
      `/data/google--gemma-scope-2b-pt-res/${leaf}`,
      { ...base, site: "resid_post", hookName: "blocks.20.hook_resid_post" },
    ],
    [
      `/hub/models--google--gemma-scope-2b-pt-mlp/${snapshot}/${leaf}`,
      { ...base, site: "mlp_out", hookName: "blocks.20.hook_mlp_out" },
    ],
    [
      `/data/gemma-scope-2b-pt-att/${leaf}`,
      { ...base, site: "attn_z", hookName: "blocks.20.attn.hook_z" },
    ],
    [
      `/hub/models--google--gemma-scope-2b-pt-transcoders/${snapshot}/${leaf}`,
      {
        ...base,
        site: "transcoder",
        hookName: "blocks.20.ln2.hook_normalized",
        hookNameOut: "blocks.20.hook_mlp_out",
      },
    ],
    [
      `/hub/models--google--gemma-scope-9b-it-res/${snapshot}/layer_9/width_131k/average_l0_121/params.npz`,
      {
        suite: "gemma-scope",
        modelName: "gemma-2-9b-it",
        layer: 9,
        width: "131k",
        l0: 121,
        site: "resid_post",
        hookName: "blocks.9.hook_resid_post",
      },
    ],
    [
      "/data/gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6/params.npz",
      {
        suite: "gemma-scope",
        modelName: "gemma-2-2b",
        width: "4k",
        l0: 6,
        site: "embedding",
        hookName: "hook_embed",
      },
    ],
    [
      `/assets/tiny-gemma2/res/${leaf}`,
      { suite: "gemma-scope", ...at20, site: "resid_post", hookName: "blocks.20.hook_resid_post" },
    ],
    [
      `/assets/tiny-gemma2/transcoders/${leaf}`,
      {
        suite: "gemma-scope",
        ...at20,
        site: "transcoder",
        hookName: "blocks.20.ln2.hook_normalized",
        hookNameOut: "blocks.20.hook_mlp_out",
      },
    ],
    [`/somewhere/${leaf}`, at20],
    [`/home/res/a/b/${leaf}`, at20],
    ["/somewhere/params.npz", {}],
    ["/constructor/params.npz", {}],
  ])("%s", (path, guess) => {
    expect(guessFromPath(path)).toEqual(guess);
  });
});

describe("Gemma Scope 2", () => {
  interface Expected {
    hookName: string;
    hookNameOut: string | null;
    dIn: number;
    dOut: number;
    dSae: number;
  }
  const expected = JSON.parse(readFileSync(join(gs2, "expected.json"), "utf8")) as Record<
    string,
    Expected
  >;

  test.each(Object.entries(expected))("%s", (path, want) => {
    const { kind, guess, params, dIn, dOut, dSae } = openCoderFile(join(gs2, path));
    expect(kind).toBe("gemma-scope-2");
    expect({ dIn, dOut, dSae }).toEqual({ dIn: want.dIn, dOut: want.dOut, dSae: want.dSae });
    expect(guess.hookName).toBe(want.hookName);
    expect(guess.hookNameOut ?? null).toBe(want.hookNameOut);
    expect(guess).toMatchObject({
      suite: "gemma-scope-2",
      layer: 2,
      width: "16k",
      modelName: "gemma-3-tiny-pt",
    });
    expect(params.skip?.shape).toEqual(path.includes("affine") ? [dIn, dOut] : undefined);
    expect(openCoderFile(join(gs2, path, "params.safetensors")).guess).toEqual(guess);
  });
});

describe("refuses invalid files, naming file and field", () => {
  const array = (name: string, ...shape: number[]): Member => {
    const size = shape.reduce((product, n) => product * n, 1);
    const header = f4(`(${shape.map((n) => `${n},`).join(" ")})`);
    return { name: `${name}.npy`, content: npy(header, Buffer.alloc(4 * size)) };
  };
  const sound: Record<string, number[]> = {
    W_enc: [3, 5],
    W_dec: [5, 3],
    b_enc: [5],
    b_dec: [3],
    threshold: [5],
  };
  const npz = (change: Record<string, number[] | null>, folder = "x"): string => {
    mkdirSync(join(dir, folder), { recursive: true });
    const shapes = Object.entries({ ...sound, ...change });
    return zip(
      join(dir, folder, "params.npz"),
      shapes.flatMap(([name, shape]) => (shape ? [array(name, ...shape)] : [])),
    );
  };
  const affine = join(gs2, "transcoder/layer_2_width_16k_l0_small_affine");
  const plain = join(gs2, "resid_post/layer_2_width_16k_l0_small");
  const config = (change: Record<string, unknown>, from = affine): string => {
    const copy = mkdtempSync(join(dir, "gs2-"));
    cpSync(from, copy, { recursive: true });
    const json = JSON.parse(readFileSync(join(copy, "config.json"), "utf8")) as object;
    writeFileSync(join(copy, "config.json"), JSON.stringify({ ...json, ...change }));
    return copy;
  };

  const cases: [string, () => string, ErrorCode, string][] = [
    ["a missing path", () => join(dir, "nowhere"), "NOT_FOUND", "nowhere: expected a coder's file"],
    ["an empty folder", () => mkdtempSync(join(dir, "empty-")), "CHECKPOINT", "got neither"],
    [
      "another kind of file",
      () => join(plain, "config.json"),
      "CHECKPOINT",
      "params.npz or params.safetensors",
    ],
    [
      "a missing parameter",
      () => npz({ threshold: null }),
      "CHECKPOINT",
      "for threshold, got none",
    ],
    [
      "an unknown parameter",
      () => npz({ scaling_factor: [5] }),
      "CHECKPOINT",
      'for "scaling_factor"',
    ],
    [
      "a parameter named after Object.prototype",
      () => npz({ constructor: [5] }),
      "CHECKPOINT",
      'for "constructor"',
    ],
    [
      "one parameter under two names",
      () => npz({ w_enc: [3, 5] }),
      "CHECKPOINT",
      "for w_enc, got it in two spellings",
    ],
    ["W_enc with one dimension", () => npz({ W_enc: [15] }), "CHECKPOINT", "for W_enc and W_dec"],
    ["no features", () => npz({ W_enc: [3, 0] }), "CHECKPOINT", "for W_enc and W_dec"],
    [
      "W_dec transposed",
      () => npz({ W_dec: [3, 5] }),
      "CHECKPOINT",
      "expected shape [5,5] for W_dec, got [3,5]",
    ],
    [
      "W_enc with three dimensions",
      () => npz({ W_enc: [3, 5, 1] }),
      "CHECKPOINT",
      "expected shape [3,5] for W_enc",
    ],
    [
      "b_enc of the wrong width",
      () => npz({ b_enc: [4] }),
      "CHECKPOINT",
      "expected shape [5] for b_enc, got [4]",
    ],
    [
      "b_dec of the wrong width",
      () => npz({ b_dec: [5] }),
      "CHECKPOINT",
      "expected shape [3] for b_dec, got [5]",
    ],
    [
      "a single threshold",
      () => npz({ threshold: [1] }),
      "CHECKPOINT",
      "expected shape [5] for threshold, got [1]",
    ],
    [
      "a threshold of two dimensions",
      () => npz({ threshold: [1, 5] }),
      "CHECKPOINT",
      "for threshold, got [1,5]",
    ],
    [
      "an SAE with different widths",
      () => npz({ W_dec: [5, 2], b_dec: [2] }, "res/layer_1"),
      "CHECKPOINT",
      "a resid_post SAE's",
    ],
    [
      "a skip in an SAE",
      () => npz({ affine_skip_connection: [3, 3] }, "res/layer_1"),
      "CHECKPOINT",
      "a resid_post SAE's",
    ],
    [
      "a skip of the wrong shape",
      () => npz({ affine_skip_connection: [3, 2] }, "y"),
      "CHECKPOINT",
      "expected shape [3,3] for skip",
    ],
    [
      "config.json: an unknown architecture",
      () => config({ architecture: "topk" }),
      "UNSUPPORTED",
      "for architecture",
    ],
    [
      "config.json: a coder of all layers",
      () => config({ type: "clt" }),
      "UNSUPPORTED",
      "for type",
    ],
    ["config.json: a crosscoder", () => config({ type: "crosscoder" }), "UNSUPPORTED", "for type"],
    ["config.json: an SAE with two hooks", () => config({ type: "sae" }), "CHECKPOINT", "for type"],
    [
      "config.json: a transcoder with one hook",
      () => config({ type: "transcoder" }, plain),
      "CHECKPOINT",
      "for type",
    ],
    [
      "config.json: a transcoder without an output hook",
      () => config({ type: null, hf_hook_point_out: null }),
      "CHECKPOINT",
      "for hf_hook_point_out",
    ],
    [
      "config.json: an unknown hook",
      () => config({ hf_hook_point_in: "model.layers.2.mlp.output" }),
      "UNSUPPORTED",
      "for hf_hook_point_in",
    ],
    [
      "config.json: a hook named after Object.prototype",
      () => config({ hf_hook_point_in: "model.layers.2.constructor" }),
      "UNSUPPORTED",
      "for hf_hook_point_in",
    ],
    [
      "config.json: no hook",
      () => config({ hf_hook_point_in: null }),
      "CHECKPOINT",
      "expected string for hf_hook_point_in, got null",
    ],
    [
      "config.json: a skip missing in the file",
      () => config({ affine_connection: true }, plain),
      "CHECKPOINT",
      "for affine_skip_connection, got none",
    ],
    [
      "config.json: a skip missing in config.json",
      () => config({ affine_connection: false }),
      "CHECKPOINT",
      "for affine_skip_connection, got a tensor",
    ],
  ];

  test.each(cases)("%s", (_, make, code, part) => {
    const path = make();
    let error: unknown;
    try {
      openCoderFile(path);
    } catch (thrown) {
      error = thrown;
    }
    expect(GemlensError.is(error), String(error)).toBe(true);
    const { code: got, message } = error as GemlensError;
    expect(got, message).toBe(code);
    expect(message).toContain(part);
    expect(message).toContain(path.endsWith(".npz") ? dirname(path) : path);
  });
});
