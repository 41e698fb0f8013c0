import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, hook, SAE, type Tensor, Transcoder, tensor } from "../../lib/index.js";
import { device } from "../support/compare.js";

// Tests the quality of the bundled model and its coders on a part of the held-out text. `npm run
// evaluate:tiny` prints the results over all of it.
const folder = join(import.meta.dirname, "../../assets/tiny-gemma2");
const json = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), "utf8"));

interface Named {
  class: string;
  relation: "token" | "next" | "promotes";
  layer: number;
  index: number;
  score: number;
  maxActivation: number;
  coder: string;
}

const features = json("features.json") as Named[];
const ngram = json("ngram.json") as { unigramEntropy: number; trigramCrossEntropy: number };
const classes = json("classes.json") as Record<string, string[]>;
const documents = readFileSync(join(folder, "heldout.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => (JSON.parse(line) as { text: string }).text);
const texts = documents.slice(0, 40);

let model: HookedTransformer;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained("tiny", {
    device: device as "cpu",
    dtype: "float32",
  });
});
afterAll(() => model.dispose());

const open = async (row: Named) =>
  SAE.fromFile(join(folder, row.coder), { device: device as "cpu" });

/** Token ids of the class's words that are one token after a space. */
function idsOf(name: string): number[] {
  return (classes[name] ?? [])
    .map((word) => model.toTokens(` ${word}`, { prependBos: false }).ids)
    .filter((ids) => ids.length === 1)
    .map((ids) => ids[0] as number);
}

describe("the bundled language model", () => {
  test("predicts held-out text far better than word counts", async () => {
    const loss = await model.loss(texts);
    expect(loss).toBeLessThan(0.2 * ngram.unigramEntropy);
    expect(loss).toBeLessThan(0.6 * ngram.trigramCrossEntropy);
  });

  test("continues a document with the document's own tokens", async () => {
    // Greedy continuations match the document's next token most of the time.
    const { ids, shape, mask } = model.toTokens(texts.slice(0, 10));
    using logits = await model.forward({ ids, shape, mask });
    const best = (await logits.argmax({ dim: -1 }).read()) as BigInt64Array;
    let right = 0;
    let total = 0;
    for (let i = 0; i < ids.length - 1; i++) {
      if (mask[i + 1] === 0 || (i + 1) % shape[1] === 0) continue;
      total++;
      if (Number(best[i]) === ids[i + 1]) right++;
    }
    expect(right / total).toBeGreaterThan(0.6);
  });
});

describe("the bundled coders", () => {
  const paths = readdirSync(join(folder, "gemma-scope"), { recursive: true })
    .map(String)
    .filter((path) => path.endsWith("params.npz"))
    .sort();

  test("exist for four sites of every layer", () => {
    const sites = paths.map((path) => path.split("/").slice(0, 2).join(" "));
    expect(new Set(sites).size).toBe(4 * model.cfg.nLayers);
    expect(paths.length).toBe(4 * model.cfg.nLayers);
  });

  test.each(paths)(
    "%s reconstructs its target far better than permuted directions",
    async (path) => {
      const file = join(folder, "gemma-scope", path);
      const options = { device: device as "cpu" };
      using coder = path.startsWith("transcoders")
        ? await Transcoder.fromFile(file, options)
        : await SAE.fromFile(file, options);
      // Single texts have no padding, which would count, too.
      const text = [...texts].sort((a, b) => b.length - a.length)[0] as string;
      const names = [coder.cfg.hookName, coder.cfg.hookNameOut];
      using run = await model.runWithCache(text, { names, features: [coder], logits: false });
      const acts = run.features(coder);
      const target: Tensor = run.cache.get(coder.cfg.hookNameOut);
      using rebuilt = await coder.decode(acts);
      using dense = await acts.toDense();
      // Permuted decoder rows keep norms and sparsity but have the wrong directions.
      const ids = Int32Array.from({ length: acts.dSae }, (_, i) => (i + 101) % acts.dSae);
      using shift = tensor(ids, options);
      using wrong = dense.matmul(coder.W_dec.index(0, shift)).add(coder.b_dec);
      expect(unexplained(target, rebuilt)).toBeLessThan(0.3);
      expect(unexplained(target, wrong)).toBeGreaterThan(0.5);
    },
  );

  test("keep the loss when they replace their target", async () => {
    const row = features.find(({ relation }) => relation === "promotes") as Named;
    using sae = await open(row);
    const name = sae.cfg.hookName;
    const clean = await model.loss(texts);
    const spliced = await model.loss(texts, { hooks: [hook(name, (act) => sae.forward(act))] });
    const zeroed = await model.loss(texts, { hooks: [hook(name, (act) => act.mul(0))] });
    expect((zeroed - spliced) / (zeroed - clean)).toBeGreaterThan(0.97);
  });

  test("load from the layout of the published coders, with hooks inferred from the path", async () => {
    const row = features[0] as Named;
    using sae = await open(row);
    expect(sae.cfg.hookName).toBe(`blocks.${row.layer}.hook_resid_post`);
    expect(sae.cfg.l0).toBe(Number(/average_l0_(\d+)/.exec(row.coder)?.[1]));
    await expect(Transcoder.fromFile(join(folder, row.coder))).rejects.toMatchObject({
      code: "ARGUMENT",
    });
  });
});

describe("the named features", () => {
  test("are numerous and cover different relations", () => {
    expect(new Set(features.map((row) => row.class)).size).toBeGreaterThanOrEqual(15);
    for (const relation of ["token", "next", "promotes"]) {
      expect(features.filter((row) => row.relation === relation).length).toBeGreaterThan(2);
    }
  });

  test("fire on the words of their class and rarely elsewhere", async () => {
    const rows = features.filter((row) => row.relation === "token" && row.score > 0.75);
    expect(rows.length).toBeGreaterThan(2);
    const read = documents.slice(0, 60);
    const tokens = model.toTokens(read);
    const saes = new Map<string, SAE>();
    for (const row of rows) if (!saes.has(row.coder)) saes.set(row.coder, await open(row));
    using run = await model.runWithCache(tokens, {
      names: [],
      features: [...saes.values()],
      logits: false,
    });
    let judged = 0;
    for (const row of rows) {
      const ids = new Set(idsOf(row.class));
      const { indptr, indices } = await run.features(saes.get(row.coder) as SAE).read();
      let [hits, fired, present] = [0, 0, 0];
      for (let cell = 0; cell + 1 < indptr.length; cell++) {
        if (tokens.mask[cell] === 0 || cell % tokens.shape[1] === 0) continue;
        const active = indices.subarray(indptr[cell], indptr[cell + 1]).includes(row.index);
        const inClass = ids.has(tokens.ids[cell] as number);
        if (active) fired++;
        if (inClass) present++;
        if (active && inClass) hits++;
      }
      // A class that these documents rarely mention gives no evidence.
      if (present < 10) continue;
      judged++;
      expect((2 * hits) / (fired + present), `${row.class} ${row.coder}`).toBeGreaterThan(0.5);
    }
    expect(judged).toBeGreaterThan(2);
    for (const sae of saes.values()) sae.dispose();
  });

  test("raise the probability of their class when added to the stream", async () => {
    const rows = features.filter((row) => row.relation === "promotes" && row.score >= 0.7);
    expect(rows.length).toBeGreaterThanOrEqual(5);
    let rising = 0;
    for (const row of rows) {
      using sae = await open(row);
      const ids = idsOf(row.class);
      const probability = async (strength: number) => {
        using push = sae.direction(row.index, "decoder").mul(strength * row.maxActivation);
        const hooks = [hook(sae.cfg.hookName, (act) => act.add(push))];
        using logits = await model.forward("One sunny day, the boy saw a", {
          hooks,
          positions: [-1],
        });
        const p = logits.softmax(-1).readSync() as Float32Array;
        return ids.reduce((sum, id) => sum + (p[id] as number), 0);
      };
      const [none, some, more] = [await probability(0), await probability(1), await probability(2)];
      if (none < some && some < more && more > 2 * none) rising++;
    }
    expect(rising / rows.length).toBeGreaterThanOrEqual(0.8);
  });
});

function unexplained(x: Tensor, y: Tensor): number {
  // Coders skip <bos>, so it is left out.
  const rest = (t: Tensor) =>
    t
      .reshape([1, t.shape[1] ?? 1, -1])
      .slice(1, 1)
      .to("float64");
  const error = rest(x).sub(rest(y)).pow(2).sum().item() as number;
  const centred = rest(x).sub(rest(x).mean({ dim: [0, 1], keepdim: true }));
  return error / (centred.pow(2).sum().item() as number);
}
