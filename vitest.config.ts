import { defineConfig } from "vitest/config";

const gpu = process.env["GEMLENS_TEST_DEVICE"] === "cuda";

export default defineConfig({
  // Node 20 has no `using`: lower it as tsc does.
  oxc: { target: "es2022" },
  test: {
    include: ["tests/**/*.test.ts"],
    exclude: [...(gpu ? [] : ["tests/gpu/**"]), "**/node_modules/**"],
    // One process per file, one at a time: libtorch uses every core, and a GPU cannot be shared.
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    execArgv: ["--expose-gc"],
    // For what hangs; children are killed after 200 s (tests/native/fixtures/run-child.ts).
    testTimeout: 240_000,
    hookTimeout: 240_000,
    typecheck: {
      enabled: true,
      include: ["tests/types/**/*.test-d.ts"],
      tsconfig: "tsconfig.json",
    },
  },
});
