import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadCoder, SAE, Transcoder, tensor } from "../../lib/index.js";
import { failure, useHub } from "../hub/support.js";
import { device } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";

const place = useHub();

const npz = (name: string) => readFileSync(fixture(`tiny-gemma2/gs1/${name}`));
const res = npz("res/params.npz");
const transcoder = npz("transcoder/plain_layer_2.npz");

const release = "gemma-scope-2b-pt-res";
const id = "layer_20/width_16k/average_l0_71";
const repo = `google/${release}`;

/** A hub with a coder of each site of Gemma Scope, and files that nobody should fetch. */
function publish(): void {
  place.hub.commit(repo, {
    [`${id}/params.npz`]: res,
    "layer_20/width_16k/average_l0_139/params.npz": "not this one",
    "README.md": "not this one",
  });
  place.hub.commit("google/gemma-scope-2b-pt-transcoders", {
    "layer_7/width_16k/average_l0_70/params.npz": transcoder,
  });
}

/** The first features of an input of ones, by a coder of the fixtures. */
async function featuresOf(coder: SAE | Transcoder): Promise<number[]> {
  const x = tensor(new Float32Array(coder.cfg.dIn).fill(0.5), { device: device as "cpu" });
  using acts = await coder.encode(x.reshape([1, coder.cfg.dIn]), { unchecked: true });
  const { indices, values } = await acts.read();
  return [...indices, ...values];
}

describe("SAE.fromPretrained", () => {
  test("fetches the parameters alone, and gives the coder that fromFile gives", async () => {
    publish();
    using sae = await SAE.fromPretrained(release, id, { device });
    using direct = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: "blocks.20.hook_resid_post",
      device,
    });
    expect(await featuresOf(sae)).toEqual(await featuresOf(direct));
    expect(sae.cfg).toMatchObject({
      release,
      saeId: id,
      hookName: "blocks.20.hook_resid_post",
      layer: 20,
      width: "16k",
      l0: 71,
      modelName: "gemma-2-2b",
    });
    const asked = place.hub.faults.asked.filter((one) => one.place === "head");
    expect(asked.map(({ url }) => url.pathname)).toEqual([
      `/${repo}/resolve/main/${id}/params.npz`,
    ]);
  });

  test("takes a canonical id, and its Neuronpedia id", async () => {
    publish();
    using sae = await SAE.fromPretrained(`${release}-canonical`, "layer_20/width_16k/canonical", {
      device,
    });
    expect(sae.cfg).toMatchObject({
      release: `${release}-canonical`,
      saeId: "layer_20/width_16k/canonical",
      neuronpediaId: "gemma-2-2b/20-gemmascope-res-16k",
      l0: 71,
    });
  });

  test("takes a repository and a path, with or without the file's name", async () => {
    publish();
    for (const path of [id, `${id}/params.npz`, `${id}/`]) {
      using sae = await SAE.fromPretrained(repo, path, { device });
      expect(sae.cfg).toMatchObject({ release, saeId: id });
    }
  });

  test("takes a coder of a repository outside the catalogue, in either suite's layout", async () => {
    place.hub.commit("someone/saes", {
      "res/layer_3/width_1k/average_l0_9/params.npz": res,
      "resid_post/layer_2_width_16k_l0_small/config.json": readFileSync(
        fixture("gs2/resid_post/layer_2_width_16k_l0_small/config.json"),
      ),
      "resid_post/layer_2_width_16k_l0_small/params.safetensors": readFileSync(
        fixture("gs2/resid_post/layer_2_width_16k_l0_small/params.safetensors"),
      ),
    });
    using first = await SAE.fromPretrained("someone/saes", "res/layer_3/width_1k/average_l0_9");
    expect(first.cfg).toMatchObject({ hookName: "blocks.3.hook_resid_post", release: undefined });
    const path = "resid_post/layer_2_width_16k_l0_small";
    using second = await SAE.fromPretrained("someone/saes", path);
    expect(second.cfg).toMatchObject({ hookName: "blocks.2.hook_resid_post" });
  });

  test("takes a local folder laid out like a repository, and makes no request", async () => {
    const folder = newFolder();
    const file = join(folder, "res", id, "params.npz");
    mkdirSync(dirname(file), { recursive: true });
    cpSync(fixture("tiny-gemma2/gs1/res/params.npz"), file);
    using sae = await SAE.fromPretrained(folder, join("res", id), { device });
    expect(sae.cfg).toMatchObject({ hookName: "blocks.20.hook_resid_post", path: dirname(file) });
    expect(place.hub.faults.asked).toEqual([]);
  });

  test("finds a cached coder offline, and says when it is not cached", async () => {
    publish();
    (await SAE.fromPretrained(release, id)).dispose();
    const before = place.hub.faults.asked.length;
    using sae = await SAE.fromPretrained(release, id, { offline: true });
    expect(sae.cfg.saeId).toBe(id);
    const other = "layer_19/width_16k/average_l0_73";
    const error = await failure(SAE.fromPretrained(release, other, { offline: true }));
    expect(error).toMatchObject({ code: "NOT_FOUND", fields: { problem: "not-cached" } });
    expect(place.hub.faults.asked).toHaveLength(before);
  });
});

describe("the kind is checked", () => {
  test("before anything is fetched", async () => {
    publish();
    const error = await failure(
      SAE.fromPretrained("gemma-scope-2b-pt-transcoders", "layer_7/width_16k/average_l0_70"),
    );
    expect(error).toMatchObject({
      code: "ARGUMENT",
      message: expect.stringContaining("load it with Transcoder.fromPretrained"),
    });
    expect(await failure(Transcoder.fromPretrained(release, id))).toMatchObject({
      code: "ARGUMENT",
      message: expect.stringContaining("load it with SAE.fromPretrained"),
    });
    expect(place.hub.faults.asked).toEqual([]);
  });

  test("loadCoder gives whichever it is", async () => {
    publish();
    using sae = await loadCoder(release, id);
    expect(sae).toBeInstanceOf(SAE);
    using other = await loadCoder(
      "gemma-scope-2b-pt-transcoders",
      "layer_7/width_16k/average_l0_70",
    );
    expect(other).toBeInstanceOf(Transcoder);
    expect(other.cfg.hookName).toBe("blocks.7.ln2.hook_normalized");
  });
});

describe("names in circulation that do not exist", () => {
  test.each<[string, string, RegExp]>([
    [
      "gemma-scope-9b-pt-transcoders",
      "layer_24/width_131k",
      /transcoders for Gemma 2 2B alone \(gemma-scope-2b-pt-transcoders\)/,
    ],
    [
      "gemma-scope-9b-pt-res",
      "layer_24/width_65k/average_l0_72",
      /has width 65k at layer 20 only; layer 24 has 16k, 131k; the nearest: layer_24\/width_16k\/average_l0_61, layer_24\/width_131k\/average_l0_55/,
    ],
    [
      "gemma-scope-27b-pt-mlp",
      "layer_22/width_131k/average_l0_30",
      /only residual SAEs for Gemma 2 27B, at layers 10, 22 and 34/,
    ],
    ["gemma-scope-27b-pt-res", "layer_20/width_131k/average_l0_70", /only layers 10, 22, 34/],
    [
      release,
      "layer_20/width_16k/average_l0_70",
      /the nearest: layer_20\/width_16k\/average_l0_71/,
    ],
    [release, "layer_20/width_16k", /the nearest: layer_20\/width_16k\/average_l0_/],
    [release, "layer_26/width_16k/canonical", /no layer 26, only layers 0 to 25/],
    [release, "layer_20/width_8k/average_l0_71", /no width 8k, only 4k, 16k, 32k, 65k/],
  ])("%s %s", async (name, coder, message) => {
    const error = await failure(SAE.fromPretrained(name, coder));
    expect(error).toMatchObject({ code: "NOT_FOUND", message: expect.stringMatching(message) });
    expect(place.hub.faults.asked).toEqual([]);
  });
});

describe("hostile names", () => {
  test.each([
    ["a path that climbs", repo, "../../../etc/passwd"],
    ["a path with a NUL", repo, "layer_20\0/width_16k"],
    ["a repository that climbs", "../google/x", "layer_0"],
    ["a path out of a local folder", "./tests", "../../etc"],
    ["an absolute path in a repository", repo, "/etc/passwd"],
  ])("%s is refused", async (_, name, path) => {
    const error = await failure(SAE.fromPretrained(name, path));
    expect(["ARGUMENT", "NOT_FOUND"]).toContain((error as { code?: string }).code);
    expect(place.hub.faults.asked).toEqual([]);
  });
});
