import { defineConfig } from "vitest/config";

const gpu = process.env["GEMLENS_TEST_DEVICE"] === "cuda";
const workers = Number(process.env["GEMLENS_TEST_WORKERS"] ?? 1);

// What takes no device, and may want more of a checkout than a GPU machine has.
const withoutDevice = [
  "tests/{01,02,13,14,15,17,18,19}-*",
  "tests/native/{check-layers,cli-setup,fetch,find,folder-lock,http,load,prebuild,stress,unpack}*",
];

export default defineConfig({
  // Node 20 has no `using`: lower it as tsc does.
  oxc: { target: "es2022" },
  test: {
    include: ["tests/**/*.test.ts"],
    exclude: [...(gpu ? withoutDevice : ["tests/gpu/**"]), "**/node_modules/**"],
    // One process per file, one at a time: libtorch uses every core. A machine with many may set more.
    pool: "forks",
    maxWorkers: workers,
    fileParallelism: workers > 1,
    execArgv: ["--expose-gc"],
    // For what hangs; children are killed after 200 s (tests/native/fixtures/run-child.ts).
    testTimeout: 240_000,
    hookTimeout: 240_000,
    typecheck: {
      enabled: !gpu,
      include: ["tests/types/**/*.test-d.ts"],
      tsconfig: "tsconfig.json",
    },
  },
});
