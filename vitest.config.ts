import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const gpu = process.env["GEMLENS_TEST_DEVICE"] === "cuda";
const chosen = process.env["GEMLENS_TEST_WORKERS"];
const workers = Number(chosen ?? (gpu ? 1 : Math.min(2, availableParallelism())));

// Tests without a device, which may need more of a checkout than a GPU machine has.
const withoutDevice =
  /^((bench|checkpoint|docs|hostile|hub|package|tokenizer)\/|native\/(check-layers|cli-setup|fetch|find|folder-lock|http|load|prebuild|stress|unpack))/;

// Tests that measure memory, processor time or the machine's other processes. They run one at a
// time, unless GEMLENS_TEST_WORKERS says that the machine has room for more.
const alone =
  /^(leak\/|bench\/(bench|contention|decode|peers)\.|native\/(kv-growth|terminate|threads)\.)/;

// Tests that need a separate process: they start others, change the environment, or measure a whole
// process. The rest share one, because loading the library and libtorch takes longer than most
// tests.
const apart =
  /^((bench|cli|docs|gpu|hostile|hub|native|package)\/|tensor\/(loans|memory)|model\/forward-(errors|head))/;

const files = readdirSync(join(import.meta.dirname, "tests"), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => (gpu ? !withoutDevice.test(name) : !name.startsWith("gpu/")));

type Kind = "together" | "apart" | "alone";

function kindOf(name: string): Kind {
  if (alone.test(name)) return "alone";
  return gpu || apart.test(name) ? "apart" : "together";
}

const project = (name: Kind, order: number) => ({
  extends: true as const,
  test: {
    name,
    include: files.filter((file) => kindOf(file) === name).map((file) => `tests/${file}`),
    isolate: name !== "together",
    maxWorkers: name === "alone" ? Number(chosen ?? 1) : workers,
    sequence: { groupOrder: order },
    typecheck: {
      enabled: name === "together" && !gpu,
      include: ["tests/types/**/*.test-d.ts"],
      tsconfig: "tests/types/tsconfig.json",
    },
  },
});

export default defineConfig({
  // Node 20 has no `using`: lower it as tsc does.
  oxc: { target: "es2022" },
  test: {
    pool: "forks",
    execArgv: ["--expose-gc"],
    setupFiles: ["tests/support/setup.ts"],
    // For tests that hang; children are killed after 200 s (tests/native/fixtures/run-child.ts).
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // One kind after the other.
    projects: [project("apart", 0), project("together", 1), project("alone", 2)],
  },
});
