import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import zlib from "node:zlib";
import { describe, expect, test } from "vitest";
import { type CoderEntry, listCoders, listReleases } from "../../lib/index.js";
import { fixture } from "../support/fixtures.js";

/** A coder as SAELens 6.54.12's table has it. */
interface Listed {
  readonly id: string;
  readonly path: string;
  readonly l0: number | null;
  readonly np: string | null;
}

/** SAELens' table of releases, its pretrained_saes.yaml as JSON. */
const table = JSON.parse(
  zlib.gunzipSync(readFileSync(fixture("catalogue/sae-lens.json.gz"))).toString(),
) as Record<string, { repo: string; model: string; conv: string; saes: Listed[] }>;

const everything = (release: string): CoderEntry[] => listCoders(release, { seeds: true });

/** Corrections of SAELens' table. */
const corrected = {
  model: { "gemma-scope-9b-it-res": "google/gemma-2-9b-it" } as Record<string, string>,
  l0: { "layer_20/width_524k/canonical": 48 } as Record<string, number>,
  neuronpedia: ["layer_2/width_16k/average_l0_8", "layer_20/width_131k/average_l0_114"],
};

describe("the catalogue is SAELens' table", () => {
  test("it has all 92 releases and 11,643 coders", () => {
    const releases = listReleases();
    expect(releases.map(({ release }) => release).sort()).toEqual(Object.keys(table).sort());
    expect(releases).toHaveLength(92);
    expect(releases.reduce((sum, { coders }) => sum + coders, 0)).toBe(11_643);
  });

  test.each(Object.keys(table))("%s", (release) => {
    const { repo, model, saes, conv } = table[release] as (typeof table)[string];
    const entries = everything(release);
    const byId = new Map(entries.map((entry) => [entry.id, entry]));
    expect([...byId.keys()].sort()).toEqual(saes.map(({ id }) => id).sort());
    for (const { id, path, l0, np } of saes) {
      const entry = byId.get(id) as CoderEntry;
      expect(entry).toMatchObject({ release, id, repo, path });
      expect(entry.model).toBe(
        corrected.model[release] ?? `google/${model.replace(/^google\//, "")}`,
      );
      const named = Number(/average_l0_(\d+)/.exec(path)?.[1]);
      expect(entry.l0).toBe(corrected.l0[id] ?? l0 ?? named);
      const wrong = release === "gemma-scope-9b-pt-res" && corrected.neuronpedia.includes(id);
      expect(entry.neuronpediaId).toBe(wrong ? null : np);
      expect(entry.suite).toBe(conv === "gemma_3" ? 2 : 1);
      expect(entry.affine).toBe(id.endsWith("_affine"));
      expect(entry.kind).toBe(release.includes("transcoder") ? "transcoder" : "sae");
      expect(entry.layer).toBe(
        path.startsWith("embedding") ? null : Number(/layer_(\d+)/.exec(path)?.[1]),
      );
    }
  });

  test("it takes at most 250 kB of the package", () => {
    const file = join(import.meta.dirname, "../../assets/gemma-scope.json");
    expect(statSync(file).size).toBeLessThan(250_000);
  });
});

describe("a coder's hooks and width", () => {
  const one = (release: string, id: string): CoderEntry =>
    everything(release).find((entry) => entry.id === id) as CoderEntry;

  test.each<[string, string, string, string, number]>([
    [
      "gemma-scope-2b-pt-res",
      "layer_20/width_16k/average_l0_71",
      "blocks.20.hook_resid_post",
      "",
      16384,
    ],
    [
      "gemma-scope-2b-pt-mlp",
      "layer_3/width_65k/average_l0_68",
      "blocks.3.hook_mlp_out",
      "",
      65536,
    ],
    [
      "gemma-scope-9b-pt-att",
      "layer_0/width_131k/average_l0_55",
      "blocks.0.attn.hook_z",
      "",
      131072,
    ],
    ["gemma-scope-2b-pt-res", "embedding/width_4k/average_l0_21", "hook_embed", "", 4096],
    [
      "gemma-scope-2b-pt-transcoders",
      "layer_7/width_16k/average_l0_70",
      "blocks.7.ln2.hook_normalized",
      "blocks.7.hook_mlp_out",
      16384,
    ],
    [
      "gemma-scope-2-4b-it-res",
      "layer_17_width_262k_l0_medium",
      "blocks.17.hook_resid_post",
      "",
      262144,
    ],
    ["gemma-scope-2-1b-pt-att", "layer_7_width_65k_l0_big", "blocks.7.attn.hook_z", "", 65536],
    ["gemma-scope-2-1b-pt-mlp", "layer_7_width_1m_l0_big", "blocks.7.hook_mlp_out", "", 1048576],
    [
      "gemma-scope-2-1b-pt-transcoders",
      "transcoder/layer_7_width_16k_l0_big_affine",
      "blocks.7.mlp.hook_in",
      "blocks.7.hook_mlp_out",
      16384,
    ],
  ])("%s %s", (release, id, hookName, hookNameOut, dSae) => {
    const entry = one(release, id);
    expect(entry).toMatchObject({ hookName, hookNameOut: hookNameOut || hookName, dSae });
  });
});

describe("listReleases narrows", () => {
  test("by model, suite and kind, alone and together", () => {
    expect(listReleases({ suite: 1 })).toHaveLength(17);
    expect(listReleases({ suite: 2 })).toHaveLength(75);
    expect(listReleases({ model: "gemma-2-9b-it" }).map(({ release }) => release)).toEqual([
      "gemma-scope-9b-it-res",
      "gemma-scope-9b-it-res-canonical",
    ]);
    const found = listReleases({ model: "google/gemma-2-2b", kind: "transcoder" });
    expect(found).toEqual([
      {
        release: "gemma-scope-2b-pt-transcoders",
        repo: "google/gemma-scope-2b-pt-transcoders",
        model: "google/gemma-2-2b",
        suite: 1,
        kinds: ["transcoder"],
        coders: 26,
      },
    ]);
    expect(listReleases({ model: "gpt2" })).toEqual([]);
  });
});

describe("listCoders narrows", () => {
  const idsOf = (...args: Parameters<typeof listCoders>) => listCoders(...args).map(({ id }) => id);

  test("a number for l0 finds the nearest of each layer and width", () => {
    expect(idsOf("gemma-scope-2b-pt-res", { layer: 20, width: "16k", l0: 70 })).toEqual([
      "layer_20/width_16k/average_l0_71",
    ]);
    const all = listCoders("gemma-scope-9b-pt-res", { l0: 100 });
    const widths = new Set(
      everything("gemma-scope-9b-pt-res").map(({ layer, width }) => `${layer} ${width}`),
    );
    expect(all).toHaveLength(widths.size);
    for (const { layer, width, l0 } of all) {
      const same = everything("gemma-scope-9b-pt-res").filter(
        (entry) => entry.layer === layer && entry.width === width,
      );
      const best = Math.min(...same.map((entry) => Math.abs(entry.l0 - 100)));
      expect(Math.abs(l0 - 100)).toBe(best);
    }
  });

  test("a number keeps transcoders with and without a skip apart", () => {
    const found = listCoders("gemma-scope-2-1b-pt-transcoders", { layer: 7, width: "16k", l0: 55 });
    expect(found.map(({ id, affine }) => [id, affine])).toEqual([
      ["transcoder/layer_7_width_16k_l0_medium", false],
      ["transcoder/layer_7_width_16k_l0_medium_affine", true],
    ]);
  });

  test('"canonical" gives the canonical release of Gemma Scope', () => {
    // facts of the published table: layer 20 of 2B at 16k has L0 71 as canonical
    expect(
      listCoders("gemma-scope-2b-pt-res", { layer: 20, width: "16k", l0: "canonical" }),
    ).toEqual([expect.objectContaining({ id: "layer_20/width_16k/canonical", l0: 71 })]);
    expect(listCoders("gemma-scope-2b-pt-res-canonical", { l0: "canonical" })).toHaveLength(58);
  });

  test("a size class gives those of Gemma Scope 2", () => {
    expect(idsOf("gemma-scope-2-4b-pt-res", { layer: 17, width: "16k", l0: "medium" })).toEqual([
      "layer_17_width_16k_l0_medium",
    ]);
  });

  test("variants of another seed come only if asked", () => {
    const release = "gemma-scope-2-4b-pt-res";
    const asked = { layer: 17, width: "262k", l0: "medium" } as const;
    expect(idsOf(release, asked)).toEqual(["layer_17_width_262k_l0_medium"]);
    expect(idsOf(release, { ...asked, seeds: true })).toEqual([
      "layer_17_width_262k_l0_medium",
      "layer_17_width_262k_l0_medium_seed_1",
    ]);
    expect(listCoders(release, { ...asked, seeds: true }).map(({ seed }) => seed)).toEqual([
      null,
      1,
    ]);
  });
});

describe("what is refused", () => {
  test.each<[string, () => unknown, string, RegExp]>([
    [
      "transcoders of 9B",
      () => listCoders("gemma-scope-9b-pt-transcoders"),
      "NOT_FOUND",
      /^listCoders: expected a release of Gemma Scope for release, got "gemma-scope-9b-pt-transcoders": Gemma Scope has transcoders for Gemma 2 2B alone \(gemma-scope-2b-pt-transcoders\)/,
    ],
    [
      "MLP SAEs of 27B",
      () => listCoders("gemma-scope-27b-pt-mlp"),
      "NOT_FOUND",
      /only residual SAEs for Gemma 2 27B, at layers 10, 22 and 34 \(gemma-scope-27b-pt-res\)/,
    ],
    [
      "a slip",
      () => listCoders("gemma-scope-2b-pt-rse"),
      "NOT_FOUND",
      /the nearest: gemma-scope-2b-pt-res/,
    ],
    ["nonsense", () => listCoders("x".repeat(500)), "NOT_FOUND", /listReleases\(\) has all/],
    [
      "an option",
      () => listCoders("gemma-scope-2b-pt-res", { Layer: 1 } as never),
      "ARGUMENT",
      /got Layer/,
    ],
    [
      "a size class of Gemma Scope",
      () => listCoders("gemma-scope-2b-pt-res", { l0: "medium" }),
      "ARGUMENT",
      /size classes are Gemma Scope 2's/,
    ],
    [
      "canonical of Gemma Scope 2",
      () => listCoders("gemma-scope-2-4b-pt-res", { l0: "canonical" }),
      "ARGUMENT",
      /no canonical coders/,
    ],
    ["NaN", () => listCoders("gemma-scope-2b-pt-res", { l0: Number.NaN }), "ARGUMENT", /finite/],
    ["a kind", () => listReleases({ kind: "lora" as never }), "ARGUMENT", /one of sae, transcoder/],
    ["a suite", () => listReleases({ suite: 3 as never }), "ARGUMENT", /1 or 2 for suite, got 3/],
  ])("%s", (_, call, code, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
