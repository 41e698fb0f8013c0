// Measures one model of real-size.ts in a separate process: prints the time and memory as JSON.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { HookedTransformer, SAE } from "../lib/index.js";

export interface Sizes {
  readonly fileBytes: number;
  readonly openMs: number;
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
  readonly openCoderMs: number;
  readonly featuresMs: number;
  readonly l0: number;
  readonly openedAnonymous: number;
  readonly openingAnonymous: number;
  readonly peakAnonymous: number;
  readonly peakResident: number;
}

function memory(field: "RssAnon" | "VmHWM"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
}

let peak = 0;
function look(): number {
  const now = memory("RssAnon");
  peak = Math.max(peak, now);
  return now;
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, result: T]> {
  const start = performance.now();
  const result = await work();
  return [performance.now() - start, result];
}

async function main(folder: string, coderPath: string, layer: number): Promise<void> {
  const sampler = setInterval(look, 10);
  const before = look();
  const dtype = "bfloat16";
  const [openMs, model] = await timed(() => HookedTransformer.fromPretrained(folder, { dtype }));
  const openedAnonymous = look() - before;
  const openingAnonymous = peak - before;
  const prompt = Int32Array.from({ length: 32 }, (_, i) => (i * 7919) % 250000);
  const started = performance.now();
  const times: number[] = [];
  const options = { maxNewTokens: 9, temperature: 0, stopAtEos: false };
  for await (const _ of model.generate(prompt, options)) times.push(performance.now());
  const [first, last] = [times[0] as number, times.at(-1) as number];
  const hookName = `blocks.${layer}.hook_resid_post`;
  const [openCoderMs, sae] = await timed(() => SAE.fromFile(coderPath, { hookName }));
  const long = Int32Array.from({ length: 512 }, (_, i) => (i * 7919) % 250000);
  const read = { names: [], features: [sae], logits: false } as const;
  (await model.runWithCache(long, read)).dispose();
  const [featuresMs, run] = await timed(() => model.runWithCache(long, read));
  const sizes: Sizes = {
    fileBytes: readdirSync(folder)
      .filter((name) => name.endsWith(".safetensors"))
      .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0),
    openMs,
    firstTokenMs: first - started,
    tokensPerSecond: ((times.length - 1) * 1000) / (last - first),
    openCoderMs,
    featuresMs,
    l0: run.features(sae).nnz / long.length,
    openedAnonymous,
    openingAnonymous,
    peakAnonymous: peak,
    peakResident: memory("VmHWM"),
  };
  clearInterval(sampler);
  console.log(JSON.stringify(sizes));
  run.dispose();
  sae.dispose();
  await model.dispose();
}

const [folder, coder, layer] = process.argv.slice(2);
if (folder !== undefined && coder !== undefined) main(folder, coder, Number(layer));
