import { describe, expect, test } from "vitest";
import { type CoderEntry, listCoders, listReleases } from "../../lib/index.js";
import { gemlens } from "../support/cli.js";

const lines = (text: string): string[] => text.trimEnd().split("\n");

describe("releases", () => {
  test("lists every release in a table, and as JSON what listReleases gives", async () => {
    const table = await gemlens(["releases"]);
    expect([table.code, table.stderr]).toEqual([0, ""]);
    expect(lines(table.stdout)).toHaveLength(93);
    expect(table.stdout).toMatch(/^gemma-scope-2b-pt-res +google\/gemma-2-2b +sae +316$/m);
    const json = await gemlens(["releases", "--json", "--model", "gemma-2-9b-it"]);
    expect(lines(json.stdout).map((line) => JSON.parse(line))).toEqual(
      listReleases({ model: "gemma-2-9b-it" }),
    );
  });

  test("lists the coders of a release by layer, width and nearest L0", async () => {
    const release = "gemma-scope-2b-pt-res";
    const args = ["releases", release, "--layer", "20", "--width", "16k", "--l0", "70"];
    const table = await gemlens(args);
    expect(lines(table.stdout)).toHaveLength(2);
    expect(table.stdout).toMatch(
      /^layer_20\/width_16k\/average_l0_71 +71 +blocks\.20\.hook_resid_post/m,
    );
    const json = await gemlens([...args, "--json"]);
    expect(JSON.parse(json.stdout) as CoderEntry).toEqual(
      listCoders(release, { layer: 20, width: "16k", l0: 70 })[0],
    );
  });

  test.each<[string, string[], number, RegExp]>([
    ["an unknown release", ["gemma-scope-27b-pt-mlp"], 1, /only residual SAEs for Gemma 2 27B/],
    ["a layer without a release", ["--layer", "3"], 2, /--layer needs a release/],
    ["a model with a release", ["gemma-scope-2b-pt-res", "--model", "x"], 2, /leave gemma-scope/],
    ["a size class of Gemma Scope", ["gemma-scope-2b-pt-res", "--l0", "big"], 2, /size classes/],
  ])("refuses %s", async (_, args, code, message) => {
    const run = await gemlens(["releases", ...args]);
    expect(run.code).toBe(code);
    expect(run.stdout).toBe("");
    expect(run.stderr).toMatch(message);
  });
});
