import { spawn } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Peers, readFloats } from "../peers.js";
import { gemma2b, randomModel } from "../random-model.js";
import type { Group, Opened, Row, Side } from "../row.js";
import { temporaryFolder } from "../temporary.js";
import { promptTokens } from "./forward.js";

const bench = dirname(import.meta.dirname);
const tokens = [...promptTokens(32)].join(",");

/** Milliseconds from the start of a process to its first line, "done". */
async function untilDone(program: string, args: readonly string[]): Promise<number> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let done = Number.NaN;
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (text.includes("done")) done = performance.now() - start;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  if (code !== 0 || Number.isNaN(done))
    throw new Error(`${program} ${args[0]}: ${log.slice(-500)}`);
  return done;
}

/** Opens the built package, not its sources through a loader, so it must be built. */
function checkBuilt(): void {
  const newest = (folder: string) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(js|ts)$/.test(name))
      .reduce((most, name) => Math.max(most, statSync(join(folder, name)).mtimeMs), 0);
  const root = dirname(bench);
  if (newest(join(root, "lib")) > newest(join(root, "dist"))) {
    throw new Error("bench: dist is older than lib: npm run build:ts first");
  }
}

async function open(peers: Peers): Promise<Opened> {
  checkBuilt();
  const { folder, remove } = await randomModel(gemma2b, { dtype: "BF16" });
  const scratch = temporaryFolder();
  const side = (name: string, program: string, args: readonly string[]): Side => ({
    name,
    run: () => untilDone(program, args),
    output: async () => {
      const file = join(scratch.folder, "logits.bin");
      await untilDone(program, [...args, file]);
      return readFloats(file);
    },
  });
  const ours = side("gemlens", process.execPath, [join(bench, "first-logits.mjs"), folder, tokens]);
  const sides = [ours];
  const name = await peers.nameOf("transformers");
  const python = peers.pythonFor("transformers");
  if (name !== undefined && python !== undefined) {
    const script = join(bench, "python/first_logits.py");
    sides.push(side(name, python, [script, folder, "bfloat16", `${peers.threads}`, tokens]));
  }
  return {
    sides,
    // bfloat16: see forward.ts.
    tolerance: 0.03,
    close: () => {
      remove();
      scratch.remove();
    },
  };
}

const row: Row = {
  id: "OPEN",
  what: "a new process to the first logits of 32 tokens, 4 layers of gemma-2-2b's shape, bfloat16",
  work: { count: 1, of: "opens" },
  only: "cpu",
  open,
};

export const openGroup: Group = { rows: [row] };
