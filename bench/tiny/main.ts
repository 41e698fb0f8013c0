// Evaluates the bundled model and its coders with gemlens on held-out text, and prints every result
// with its limit. Writes assets/tiny-gemma2/features.json: features that belong to a class of
// words. Exits with 1 if a result misses its limit.
//
//     npm run evaluate:tiny [-- FOLDER]
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { evaluateCoder, HookedTransformer } from "../../lib/index.js";
import { type Loaded, loadCoders, type Site } from "./coders.js";
import { type Batch, batches, heldOut, rowsOf, sample } from "./corpus.js";
import { ClassCounter, classTokens, type NamedFeature, promoting } from "./name-features.js";
import { meanLoss, zeroHook } from "./splice.js";
import { type Firing, gather } from "./statistics.js";

const folder = process.argv[2] ?? join(import.meta.dirname, "../../assets/tiny-gemma2");
const limits: Record<Site, { fvu: number; l0: number; recovered: number }> = {
  res: { fvu: 0.12, l0: 16, recovered: 0.99 },
  mlp: { fvu: 0.08, l0: 24, recovered: 0.97 },
  att: { fvu: 0.15, l0: 20, recovered: 0.97 },
  transcoders: { fvu: 0.15, l0: 24, recovered: 0.93 },
};
const spliceTokens = 40_000;
const missed: string[] = [];

function check(name: string, value: number, limit: number, most = true): void {
  const good = most ? value <= limit : value >= limit;
  if (!good) missed.push(`${name}: ${value.toFixed(4)} ${most ? "≤" : "≥"} ${limit}`);
  console.log(
    `  ${name.padEnd(44)} ${value.toFixed(4)}  ${most ? "≤" : "≥"} ${limit}  ${good ? "ok" : "MISSED"}`,
  );
}

async function languageModel(model: HookedTransformer, all: readonly Batch[]): Promise<void> {
  const ngram = JSON.parse(readFileSync(join(folder, "ngram.json"), "utf8")) as {
    unigramEntropy: number;
    trigramCrossEntropy: number;
    heldoutTokens: number;
  };
  const tokens = all.reduce((sum, { predicted }) => sum + predicted, 0);
  if (tokens !== ngram.heldoutTokens) {
    throw new Error(`expected ${ngram.heldoutTokens} held-out tokens, got ${tokens}`);
  }
  const loss = await meanLoss(model, all);
  console.log(`held-out text: ${tokens} tokens, loss ${loss.toFixed(4)} nats`);
  check("loss / unigram entropy", loss / ngram.unigramEntropy, 0.2);
  check("loss / trigram cross-entropy", loss / ngram.trigramCrossEntropy, 0.6);
}

/** Each coder's results: its reconstruction over all text, losses over a part of it. */
async function reportCoders(
  model: HookedTransformer,
  coders: readonly Loaded[],
  all: readonly Batch[],
): Promise<void> {
  const part = sample(all, spliceTokens);
  // This corpus uses the turns' markers as ordinary words.
  const excludeSpecialTokens = [model.tokenizer.bosTokenId as number];
  const options = { batchSize: 32, contextSize: model.cfg.nCtx, excludeSpecialTokens };
  console.log("site         layer width     L0    FVU  dead%  recovered  zeroing costs");
  for (const { site, layer, coder } of coders) {
    const { l0, fvu, deadShare } = await evaluateCoder(model, coder, rowsOf(all), {
      ...options,
      lossTokens: 0,
    });
    const { loss, lossRecovered } = await evaluateCoder(model, coder, rowsOf(part), options);
    const recovered = lossRecovered.zero;
    const cost = loss.zero - loss.original;
    console.log(
      `${site.padEnd(12)} ${String(layer).padStart(5)} ${String(coder.cfg.dSae).padStart(5)} ` +
        `${l0.toFixed(2).padStart(6)} ${fvu.toFixed(4)} ${(100 * deadShare).toFixed(2).padStart(6)} ` +
        `${recovered.toFixed(4).padStart(10)} ${cost.toFixed(3).padStart(14)}`,
    );
    const limit = limits[site];
    const name = `${site} layer ${layer}`;
    if (fvu > limit.fvu) missed.push(`${name}: FVU ${fvu.toFixed(4)}`);
    if (l0 > limit.l0) missed.push(`${name}: L0 ${l0.toFixed(2)}`);
    if (deadShare >= 0.04) missed.push(`${name}: dead ${deadShare.toFixed(4)}`);
    // The ratio means nothing if zeroing the site costs almost nothing.
    const counts = site !== "att" || cost >= 0.1;
    if (counts && recovered < limit.recovered)
      missed.push(`${name}: recovered ${recovered.toFixed(4)}`);
  }
  await transcodersTogether(model, coders, part);
}

async function transcodersTogether(
  model: HookedTransformer,
  all: readonly Loaded[],
  part: readonly Batch[],
): Promise<void> {
  const transcoders = all.filter(({ site }) => site === "transcoders");
  const bare = { errorTerm: false, excludeSpecialTokens: true };
  const coders = transcoders.map(({ coder }) => ({ coder, ...bare }));
  const clean = await meanLoss(model, part);
  const zero = await meanLoss(model, part, (batch) => ({
    hooks: transcoders.map(({ coder }) => zeroHook(coder.cfg.hookNameOut, batch)),
  }));
  const spliced = await meanLoss(model, part, () => ({ coders }));
  check("all transcoders at once: recovered", (zero - spliced) / (zero - clean), 0.95, false);
}

function writeTable(features: readonly NamedFeature[]): void {
  const rows = [...features].sort(
    (a, b) => a.relation.localeCompare(b.relation) || a.class.localeCompare(b.class),
  );
  const round = (x: number) => Number(x.toPrecision(5));
  const lines = rows.map((row) =>
    JSON.stringify({ ...row, score: round(row.score), maxActivation: round(row.maxActivation) }),
  );
  const path = join(folder, "features.json");
  writeFileSync(`${path}.part`, `[\n  ${lines.join(",\n  ")}\n]\n`);
  renameSync(`${path}.part`, path);
  console.log(`${rows.length} named features in ${path}`);
  for (const { class: name, relation, layer, index, score } of rows) {
    console.log(
      `  ${name.padEnd(16)} ${relation.padEnd(8)} layer ${layer} feature ${String(index).padStart(4)}  ${score.toFixed(2)}`,
    );
  }
}

async function main(): Promise<void> {
  await using model = await HookedTransformer.fromPretrained(folder, { dtype: "float32" });
  const all = batches(model, heldOut(folder));
  await languageModel(model, all);

  const coders = await loadCoders(folder);
  const classes = classTokens(model, folder);
  const counter = new ClassCounter(classes);
  const firing = await gather(model, coders, all, (batch, loaded, acts) => {
    if (loaded.site === "res") counter.add(batch, loaded, acts);
  });
  await reportCoders(model, coders, all);

  const named = counter.named(firing);
  // In the first layers the direct logits mostly repeat the token, because embeddings are tied.
  const late = (entry: Loaded) => entry.site === "res" && entry.layer >= model.cfg.nLayers / 2;
  for (const entry of coders.filter(late)) {
    const found = await promoting(model, entry, firing.get(entry) as Firing, classes);
    for (const row of found) {
      const known = named.findIndex((x) => x.relation === "promotes" && x.class === row.class);
      if (known < 0) named.push(row);
      else if ((named[known] as NamedFeature).score < row.score) named[known] = row;
    }
  }
  writeTable(named);
  if (missed.length > 0) {
    console.log(`missed:\n  ${missed.join("\n  ")}`);
    process.exitCode = 1;
  }
}

main();
