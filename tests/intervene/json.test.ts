import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  type Coder,
  clamp,
  HookedTransformer,
  Intervention,
  type InterventionsJson,
  patch,
  project,
  SAE,
  scale,
  steer,
  Transcoder,
  zeros,
} from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";

const at = "blocks.2.hook_resid_post" as const;
const resFile = fixture("tiny-gemma2/gs1/res/params.npz");
const gs2Leaf = "layer_2_width_16k_l0_small";

let cache: string;
let model: HookedTransformer;
let sae: SAE;
let coders: Coder[];
/** A coder at its path in the Hugging Face cache. */
function cached(repository: string, path: string, from: string): string {
  const file = join(cache, `models--google--${repository}`, "snapshots", "0123abc", path);
  mkdirSync(dirname(file), { recursive: true });
  symlinkSync(from, file);
  return file;
}
beforeAll(async () => {
  cache = newFolder();
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  sae = await SAE.fromFile(resFile, { hookName: at, device });
  const leaf = "layer_2/width_16k/average_l0_71/params.npz";
  const published = await SAE.fromFile(cached("gemma-scope-2b-pt-res", leaf, resFile), { device });
  const transcoder = await Transcoder.fromFile(
    cached("gemma-scope-2-1b-pt", `transcoder/${gs2Leaf}`, fixture(`gs2/transcoder/${gs2Leaf}`)),
    { device },
  );
  coders = [sae, published, transcoder];
});
afterAll(async () => {
  for (const coder of coders) coder.dispose();
  await model.dispose();
});

/** Goes through text, as stored JSON does. */
const stored = async (list: readonly Intervention[]): Promise<InterventionsJson> =>
  JSON.parse(JSON.stringify(await Intervention.toJSON(list)));

describe("a coder in the Hugging Face cache", () => {
  const leaf = "layer_7_width_262k_l0_small_affine";
  test.each([
    ["gemma-scope-9b-it-res", "layer_9/width_16k/average_l0_88", "", ""],
    ["gemma-scope-2b-pt-transcoders", "layer_0/width_16k/average_l0_76", "", ""],
    ["gemma-scope-2b-pt-res", "embedding/width_4k/average_l0_6", "", ""],
    ["gemma-scope-2-270m-it", `resid_post_all/${leaf}`, "-res-all", leaf],
    ["gemma-scope-2-27b-pt", `transcoder_all/${leaf}`, "-transcoders-all", leaf],
    ["gemma-scope-2-4b-pt", `transcoder/${leaf}`, "-transcoders", `transcoder/${leaf}`],
    ["gemma-scope-2-4b-pt", `mlp_out/${leaf}`, "-mlp", leaf],
    ["gemma-scope-2-12b-it", `attn_out_all/${leaf}`, "-att-all", leaf],
  ])("gives %s %s its release and id", async (repository, path, suffix, id) => {
    const file = cached(repository, `${path}/params.npz`, resFile);
    using coder = await Transcoder.fromFile(file, { hookName: at, hookNameOut: at, device });
    expect(coder.cfg.release).toBe(repository + suffix);
    expect(coder.cfg.saeId).toBe(id || path);
  });

  test("gives a coder elsewhere none", () => {
    expect([sae.cfg.release, sae.cfg.saeId]).toEqual([undefined, undefined]);
  });
});

describe("interventions as JSON", () => {
  test("parse to the same data", async () => {
    const [own, published, transcoder] = coders as [Coder, Coder, Coder];
    const vector = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i) / 3);
    const list: Intervention[] = [
      ablate(own.feature(7)),
      ablate(published.feature(95), { to: 0.1, positions: -1 }),
      clamp(transcoder.feature(3), -2.5, { positions: [0, -2], batch: 0 }),
      scale(own.feature(1), 1e-9, { positions: { from: 3 }, batch: [0, 2] }),
      steer(published.feature(2), 40, { positions: { from: -4, to: -1 } }),
      steer({ hook: at, vector }, Number.NEGATIVE_INFINITY, { cap: -3 }),
      steer({ hook: at, vector: [1, 2, 3] }, Number.POSITIVE_INFINITY, { cap: 0 }),
      project("blocks.0.hook_mlp_out", vector),
    ];
    const json = await stored(list);
    expect(await Intervention.fromJSON(json, { coders })).toEqual(list);
    expect(await Intervention.fromJSON(await stored([]), {})).toEqual([]);
  });

  test("run the same after parsing", async () => {
    const list = [clamp(sae.feature(7), 4, { positions: 1 }), steer(sae.feature(2), 3)];
    const again = await Intervention.fromJSON(await stored(list), { coders: [sae] });
    using want = await model.forward([2, 5, 9], { interventions: list });
    using got = await model.forward([2, 5, 9], { interventions: again });
    expect(got.readSync()).toEqual(want.readSync());
  });

  test("name coders by release and id, or by hook and file, and vectors by their bits", async () => {
    const [own, published, transcoder] = coders as [Coder, Coder, Coder];
    const sha256 = createHash("sha256").update(readFileSync(resFile)).digest("hex");
    expect(
      await stored([
        ablate(own.feature(7), { positions: { from: 1 } }),
        clamp(published.feature(8), 2, { batch: [1] }),
        scale(transcoder.feature(9), 3),
        steer({ hook: at, vector: [1, -2] }, Number.POSITIVE_INFINITY, { cap: 4 }),
      ]),
    ).toEqual({
      version: 1,
      interventions: [
        {
          type: "ablate",
          target: { coder: { hook: at, sha256 }, feature: 7 },
          to: 0,
          positions: { from: 1 },
        },
        {
          type: "clamp",
          target: {
            coder: { release: "gemma-scope-2b-pt-res", id: "layer_2/width_16k/average_l0_71" },
            feature: 8,
          },
          value: 2,
          batch: [1],
        },
        {
          type: "scale",
          target: {
            coder: { release: "gemma-scope-2-1b-pt-transcoders", id: `transcoder/${gs2Leaf}` },
            feature: 9,
          },
          factor: 3,
        },
        {
          type: "steer",
          target: { hook: at, vector: { length: 2, base64: "AACAPwAAAMA=" } },
          coefficient: "Infinity",
          cap: 4,
        },
      ],
    });
  });

  test("accept a coder of the same file elsewhere, and no other", async () => {
    const copy = join(cache, "copy.npz");
    cpSync(resFile, copy);
    using moved = await SAE.fromFile(copy, { hookName: at, device });
    using elsewhere = await SAE.fromFile(copy, { hookName: "blocks.3.hook_resid_post", device });
    using other = await SAE.fromFile(fixture("tiny-gemma2/gs1/mlp/params.npz"), {
      hookName: at,
      device,
    });
    const json = await stored([ablate(sae.feature(7))]);
    const [found] = await Intervention.fromJSON(json, { coders: [other, elsewhere, moved] });
    expect(found?.type === "ablate" && found.target.coder).toBe(moved);
    const error = await failure(() => Intervention.fromJSON(json, { coders: [other, elsewhere] }));
    expect(error.code).toBe("NOT_FOUND");
    expect(error.message).toContain("json.interventions[0].target.coder");
    const gone = join(cache, "gone.npz");
    cpSync(resFile, gone);
    using lost = await SAE.fromFile(gone, { hookName: at, device });
    rmSync(gone);
    const missing = await failure(() => Intervention.toJSON([ablate(lost.feature(1))]));
    expect(missing.code).toBe("NOT_FOUND");
    expect(missing.message).toContain(gone);
  });

  test("do not store patches", async () => {
    const list = [ablate(sae.feature(1)), patch(at, zeros([1, 1, 48]))];
    const error = await failure(() => Intervention.toJSON(list));
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.message).toContain("interventions[1]");
    expect((await failure(() => Intervention.toJSON(list[0] as never))).code).toBe("ARGUMENT");
  });

  type Broken = (json: Record<string, unknown>, entry: Record<string, unknown>) => void;
  test.each<[string, Broken, string]>([
    ["an unknown version", (json) => Object.assign(json, { version: 2 }), "json.version"],
    ["an unknown top-level key", (json) => Object.assign(json, { note: "x" }), "note"],
    [
      "interventions that are not a list",
      (json) => Object.assign(json, { interventions: {} }),
      "json.interventions",
    ],
    [
      "an unknown type",
      (_json, entry) => Object.assign(entry, { type: "suppress" }),
      "json.interventions[1].type",
    ],
    [
      "an unknown field",
      (_json, entry) => Object.assign(entry, { strength: 1 }),
      "no other key for json.interventions[1], got strength",
    ],
    [
      "a patch",
      (_json, entry) => Object.assign(entry, { type: "patch" }),
      "json.interventions[1].type",
    ],
    [
      "a text as a number",
      (_json, entry) => Object.assign(entry, { value: "2" }),
      'expected number for json.interventions[1].value, got "2"',
    ],
    [
      "a fractional position",
      (_json, entry) => Object.assign(entry, { positions: [0.5] }),
      "json.interventions[1].positions",
    ],
    [
      "a range with a step",
      (_json, entry) => Object.assign(entry, { positions: { from: 0, step: 1 } }),
      "json.interventions[1].positions",
    ],
    [
      "a negative row",
      (_json, entry) => Object.assign(entry, { batch: -1 }),
      "json.interventions[1]: clamp",
    ],
    [
      "a feature out of range",
      (_json, { target }) => Object.assign(target as object, { feature: 96 }),
      "json.interventions[1]: clamp: expected an integer in [0, 96)",
    ],
    [
      "a coder without its file",
      (_json, { target }) => Object.assign(target as object, { coder: { hook: at } }),
      "json.interventions[1].target.coder",
    ],
    [
      "an invalid digest",
      (_json, { target }) =>
        Object.assign(target as object, { coder: { hook: at, sha256: "ABC" } }),
      "json.interventions[1].target.coder.sha256",
    ],
    [
      "a truncated vector",
      (json) =>
        (json["interventions"] as unknown[]).push({
          type: "project",
          hook: at,
          vector: { length: 2, base64: "AACAPw==" },
        }),
      "json.interventions[2].vector.base64",
    ],
    [
      "invalid base64",
      (json) =>
        (json["interventions"] as unknown[]).push({
          type: "project",
          hook: at,
          vector: { length: 1, base64: "?" },
        }),
      "json.interventions[2].vector.base64",
    ],
    [
      "a misspelt hook",
      (json) =>
        (json["interventions"] as unknown[]).push({
          type: "project",
          hook: "blocks.2.hook_resid_pst",
          vector: { length: 1, base64: "AACAPw==" },
        }),
      "json.interventions[2]: project",
    ],
    [
      "an infinite strength without a cap",
      (json) =>
        (json["interventions"] as unknown[]).push({
          type: "steer",
          target: { hook: at, vector: { length: 1, base64: "AACAPw==" } },
          coefficient: "Infinity",
        }),
      "json.interventions[2]: steer",
    ],
  ])("are refused with %s, by name", async (_name, spoil, path) => {
    const json = (await stored([
      ablate(sae.feature(1)),
      clamp(sae.feature(2), 1),
    ])) as unknown as Record<string, unknown>;
    spoil(json, (json["interventions"] as Record<string, unknown>[])[1] as never);
    const error = await failure(() => Intervention.fromJSON(json, { coders }));
    expect(["ARGUMENT", "NOT_FOUND"]).toContain(error.code);
    expect(error.message).toContain(path);
    expect(error.message).toMatch(/^Intervention\.fromJSON: /);
  });

  test("are refused if they are no JSON of interventions", async () => {
    for (const json of [undefined, null, 7, "[]", []]) {
      expect((await failure(() => Intervention.fromJSON(json))).code).toBe("ARGUMENT");
    }
    const json = await stored([]);
    const wrong = await failure(() => Intervention.fromJSON(json, { coders: [7 as never] }));
    expect(wrong.code).toBe("ARGUMENT");
  });
});
