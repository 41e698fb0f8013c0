import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import {
  ablate,
  attribute,
  clamp,
  type Hook,
  HookedTransformer,
  hook,
  type Intervention,
  patch,
  SAE,
  scale,
  steer,
  type Tensor,
  tidy,
  zeros,
} from "../../lib/index.js";
import type { Random } from "../support/random.js";
import { somePrompts } from "./prompts.js";
import type { World } from "./world.js";

/** One call with all its random choices. */
export type Action = (world: World, random: Random) => Promise<void>;

function someHook({ model, sae }: World, random: Random): Hook {
  const name = random.pick(model.hookNames);
  const kinds: ((act: Tensor) => void | Tensor | Promise<void | Tensor>)[] = [
    () => {},
    async () => sleep(random.integer(0, 3)).then(() => {}),
    (act) => act.clone(),
    (act) => void act.mul(1).dispose(),
    (act) => void act.keep().dispose(),
    () => {
      throw new Error("a hook that throws");
    },
    async () => {
      await sleep(1);
      throw new Error("a hook that throws later");
    },
  ];
  if (random.chance(0.2))
    return hook(sae.cfg.hookName, (act) => sae.edit(act, (a) => void a.zero(3)));
  return hook(name, random.pick(kinds));
}

function someInterventions({ sae, transcoder }: World, random: Random): Intervention[] {
  const makers: (() => Intervention)[] = [
    () => ablate(sae.feature(random.integer(0, 1024))),
    () => clamp(sae.feature(random.integer(0, 1024)), 5, { positions: { from: 1 } }),
    () => scale(transcoder.feature(random.integer(0, 512)), 2),
    () => clamp(transcoder.feature(random.integer(0, 512)), 3, { positions: [-1] }),
    () => steer(sae.feature(random.integer(0, 1024)), 4),
  ];
  return Array.from({ length: random.integer(0, 4) }, () => random.pick(makers)());
}

function someCoders({ sae, transcoder }: World, random: Random) {
  const errorTerm = random.chance(0.5);
  if (random.chance(0.5)) return [];
  return [
    { coder: random.pick([sae, transcoder]), errorTerm, excludeSpecialTokens: random.chance(0.3) },
  ];
}

const forward: Action = async (world, random) => {
  const hooks = Array.from({ length: random.integer(0, 4) }, () => someHook(world, random));
  const options = { hooks, interventions: someInterventions(world, random) };
  (await world.model.forward(somePrompts(random), options)).dispose();
};

const cache: Action = async (world, random) => {
  const { model, sae, transcoder } = world;
  const names = model.hookNames.filter(() => random.chance(0.1));
  const features = random.chance(0.5) ? [sae, transcoder] : [];
  const run = await model.runWithCache(somePrompts(random), {
    names,
    features,
    coders: someCoders(world, random),
    interventions: someInterventions(world, random),
  });
  if (features.length > 0) await run.features(sae).topK(3);
  const first = names[0];
  if (first !== undefined) await run.cache.get(first).read();
  if (random.chance(0.8)) run.dispose(); // otherwise it is dropped
};

const generate: Action = async (world, random) => {
  const stopAt = random.integer(1, 12);
  const controller = new AbortController();
  const generation = world.model.generate(somePrompts(random, 12), {
    maxNewTokens: 12,
    seed: random.integer(0, 1000),
    interventions: someInterventions(world, random),
    coders: someCoders(world, random),
    signal: controller.signal,
    record: random.chance(0.5) ? { names: ["blocks.1.hook_mlp_out"], features: [world.sae] } : {},
  });
  for await (const item of generation) {
    if (random.chance(0.7)) item.dispose();
    if (item.step < stopAt) continue;
    if (random.chance(0.5)) break;
    controller.abort();
  }
};

const abortMidway: Action = async (world, random) => {
  const controller = new AbortController();
  const hooks = [hook("blocks.1.hook_mlp_out", async () => sleep(5).then(() => {}))];
  const { signal } = controller;
  const run = world.model.forward(somePrompts(random), { hooks, signal });
  await sleep(random.integer(0, 8));
  controller.abort();
  (await run).dispose();
};

const gradients: Action = async (world, random) => {
  const throws = random.chance(0.2);
  const metric = (logits: Tensor) => {
    if (throws) throw new Error("a metric that throws");
    return logits.select(2, 7).sum();
  };
  const target = random.pick([{ metric }, { logit: 5 }, { loss: true as const }]);
  const coders = someCoders(world, random);
  const input = somePrompts(random);
  const names = ["blocks.0.hook_resid_pre", "blocks.2.hook_mlp_out"] as const;
  using run = await world.model.runWithGradients(input, { names, target, coders });
  run.grad(names[0]);
};

const attribution: Action = async (world, random) => {
  const method = random.pick(["gradient", "ablation"] as const);
  const [input = []] = somePrompts(random, 8);
  await attribute(world.model, input, { target: { logit: 9 }, through: [world.sae], method });
};

const encode: Action = async ({ sae }, random) => {
  const x = zeros([random.integer(1, 50), sae.cfg.dIn]).add(random.next());
  const acts = await sae.encode(x);
  acts.set(random.integer(0, 1024), 4).zero(2);
  const out = await sae.decode(acts);
  if (random.chance(0.5)) for (const item of [x, acts, out]) item.dispose();
};

const tensors: Action = async (_, random) => {
  tidy(() => {
    for (let i = 0; i < 50; i++)
      zeros([random.integer(1, 300), 100])
        .mul(2)
        .sum()
        .item();
  });
  for (let i = 0; i < 20; i++) zeros([1000]); // dropped
};

const patching: Action = async (world, random) => {
  const at = "blocks.1.hook_resid_post" as const;
  const [row = []] = somePrompts(random);
  using clean = await world.model.runWithCache(row, { names: [at], logits: false });
  const put = patch(at, clean.cache, { positions: [random.integer(0, row.length)] });
  clean.dispose();
  (await world.model.forward(row, { interventions: [put] })).dispose();
  put.source.dispose();
};

const loadAndDispose: Action = async (_, random) => {
  await using model = await HookedTransformer.fromPretrained("tiny");
  const run = model.forward([2, 3, 4]);
  if (random.chance(0.5)) void model.dispose();
  (await run).dispose();
};

const loadCoder: Action = async ({ sae }) => {
  using other = await SAE.fromFile(sae.cfg.path);
  other.direction(1).dispose();
};

const worker: Action = async (_, random) => {
  const started = new Worker(new URL("../native/fixtures/worker.mjs", import.meta.url), {
    execArgv: [],
    workerData: {
      module: new URL("worker.ts", import.meta.url).href,
      seed: random.integer(0, 2 ** 31),
    },
  });
  let failure: unknown;
  started.on("error", (error) => {
    failure = error;
  });
  const ready = new Promise((resolve) => started.once("message", resolve));
  const failed = new Promise((resolve) => started.once("error", resolve));
  if (random.chance(0.8)) await Promise.race([ready, failed]);
  await sleep(random.integer(0, 200));
  await started.terminate();
  if (failure !== undefined) throw new Error("a worker failed", { cause: failure });
};

/** Common actions are listed several times. */
export const actions: readonly (readonly [name: string, action: Action])[] = [
  ...Array.from({ length: 6 }, () => ["forward", forward] as const),
  ...Array.from({ length: 5 }, () => ["cache", cache] as const),
  ...Array.from({ length: 4 }, () => ["generate", generate] as const),
  ...Array.from({ length: 3 }, () => ["abort", abortMidway] as const),
  ...Array.from({ length: 3 }, () => ["gradients", gradients] as const),
  ["attribution", attribution],
  ["encode", encode],
  ["encode", encode],
  ["tensors", tensors],
  ["patching", patching],
  ["load", loadAndDispose],
  ["coder", loadCoder],
  ["worker", worker],
];
