// A worker of the stress run: works until it is terminated.
import { parentPort, workerData } from "node:worker_threads";
import { clamp, hook } from "../../lib/index.js";
import { Random } from "../support/random.js";
import { somePrompts } from "./prompts.js";
import { World } from "./world.js";

async function main(): Promise<void> {
  const random = new Random(workerData.seed as number);
  const world = new World();
  await world.open();
  parentPort?.postMessage("ready");
  const at = world.sae.cfg.hookName;
  for (;;) {
    const interventions = random.chance(0.5) ? [clamp(world.sae.feature(7), 5)] : [];
    const hooks = random.chance(0.5) ? [hook(at, async () => {})] : [];
    (await world.model.forward(somePrompts(random), { hooks, interventions })).dispose();
  }
}

main();
