// Tests runtimes other than Node, outside CI: bun tests/runtimes.mjs; deno run -A
// tests/runtimes.mjs (both come from npm: `bun`, `deno`). Compares with Node's results; ends with 0
// if all are equal.
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { HookedTransformer, hook, memory, SAE } from "../dist/index.js";

const text = "One sunny day";
const failed = [];
function check(what, got, expected) {
  const ok = JSON.stringify(got) === JSON.stringify(expected);
  console.log(`${ok ? "ok  " : "FAIL"} ${what}: ${JSON.stringify(got)}`);
  if (!ok) failed.push(what);
}

async function inWorker() {
  const model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
  parentPort.postMessage((await model.loss(text)).toFixed(3));
  await model.dispose();
}

async function main() {
  const before = memory().handles;
  const model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
  const scope = "assets/tiny-gemma2/gemma-scope/res/layer_2/width_1k/average_l0_15/params.npz";
  const sae = await SAE.fromFile(fileURLToPath(new URL(`../${scope}`, import.meta.url)));
  const run = await model.runWithCache(text, { names: [sae.cfg.hookName], features: [sae] });
  check("cache", run.cache.get(sae.cfg.hookName).shape, [1, 4, 128]);
  const [first] = await run.features(sae).topK(1);
  check("features", [first.feature, first.value.toFixed(2)], [177, "19.15"]);
  const seen = [];
  const sync = hook("blocks.1.hook_resid_post", (act, point) => {
    seen.push(point.name);
    return act.mul(1);
  });
  const async = hook(sae.cfg.hookName, async (act) => {
    const acts = await sae.encode(act);
    seen.push(acts.nnz > 0);
  });
  const loss = await model.loss(text, { hooks: [sync, async] });
  check("hooks", [seen, loss.toFixed(3)], [["blocks.1.hook_resid_post", true], "2.045"]);
  const options = { maxNewTokens: 4, temperature: 0 };
  check("generate", await model.generate("One day", options).text(), ", Anna went to");
  const broken = hook("hook_embed", () => {
    throw new Error("mine");
  });
  const error = await model.loss(text, { hooks: [broken] }).catch((caught) => caught);
  check("a hook that throws", [error.code, error.cause?.message], ["HOOK", "mine"]);
  run.dispose();
  sae.dispose();
  await model.dispose();
  check("handles after dispose", memory().handles - before <= 1, true);
  const worker = new Worker(fileURLToPath(import.meta.url));
  const said = await new Promise((resolve, reject) =>
    worker.on("message", resolve).on("error", reject),
  );
  const code = await new Promise((resolve) => worker.on("exit", resolve));
  check("worker", [said, code], ["2.045", 0]);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

await (isMainThread ? main() : inWorker());
