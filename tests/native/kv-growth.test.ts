import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, memory } from "../../lib/index.js";
import type { ModelHandle, NativeRunRequest } from "../../lib/native/addon.js";
import { native } from "../../lib/native/call.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { loadWithHandle } from "./fixtures/load-with-handle.js";
import { writeRandomCheckpoint } from "./fixtures/random-checkpoint.js";

const onDevice = { device: device as "cpu" };

/** Caches of generations created in `fn` grow in steps of this size. */
async function withGrowth<T>(
  growth: { block?: number; maxBytes?: number },
  fn: () => Promise<T>,
): Promise<T> {
  const core = native();
  const { kvCacheCreate } = core;
  core.kvCacheCreate = (model, batch, capacity) => kvCacheCreate(model, batch, capacity, growth);
  try {
    return await fn();
  } finally {
    core.kvCacheCreate = kvCacheCreate;
  }
}

interface Drawn {
  readonly tokens: number[][];
  readonly logprobs: number[][];
}

async function greedy(
  model: HookedTransformer,
  prompts: readonly number[][],
  maxNewTokens: number,
): Promise<Drawn> {
  const tokens: number[][] = prompts.map(() => []);
  const logprobs: number[][] = prompts.map(() => []);
  const options = { maxNewTokens, temperature: 0, stopAtEos: false };
  for await (const t of model.generate(prompts as number[][], options)) {
    tokens[t.batch]?.push(t.token);
    logprobs[t.batch]?.push(t.logprob);
  }
  return { tokens, logprobs };
}

/** The same without a cache: each token reruns the whole text. */
async function uncached(
  model: HookedTransformer,
  prompt: readonly number[],
  maxNewTokens: number,
): Promise<{ tokens: number[]; logprobs: number[] }> {
  const all = [...prompt];
  const logprobs: number[] = [];
  for (let step = 0; step < maxNewTokens; step++) {
    using logits = await model.forward([all], { positions: [-1] });
    const values = Array.from(await logits.read("float32"));
    const top = Math.max(...values);
    const total = values.reduce((sum, x) => sum + Math.exp(x - top), 0);
    all.push(values.indexOf(top));
    logprobs.push(-Math.log(total));
  }
  return { tokens: all.slice(prompt.length), logprobs };
}

describe.each([
  ["tiny-gemma2", "float32", 2e-4],
  ["tiny-gemma3", "float32", 2e-4],
  ["tiny-gemma3-linear-rope", "float32", 2e-4],
  ["tiny-gemma2", "bfloat16", 0.1],
  ["tiny-gemma3", "bfloat16", 0.1],
] as const)("%s in %s", (name, dtype, tolerance) => {
  const prompts = [
    [2, 17, 93, 4],
    [2, 5, 66, 20, 8, 110, 33, 7, 12, 90, 41],
    [2, 9],
  ];
  const steps = 40;
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(name), { ...onDevice, dtype });
  });
  afterAll(() => model.dispose());

  test("a growing cache gives bit for bit the same as one reserved in advance", async () => {
    const whole = await withGrowth({ block: 1000 }, () => greedy(model, prompts, steps));
    for (const block of [1, 2, 7]) {
      expect(await withGrowth({ block }, () => greedy(model, prompts, steps))).toEqual(whole);
    }
    expect(await greedy(model, prompts, steps)).toEqual(whole);
  });

  test("a growing cache gives the same as a loop without a cache, row by row", async () => {
    const got = await withGrowth({ block: 3 }, () => greedy(model, prompts, steps));
    for (const [row, prompt] of prompts.entries()) {
      const want = await uncached(model, prompt, steps);
      // In bfloat16 another order of sums may break a tie; until then the numbers agree.
      const firstOther = want.tokens.findIndex((token, i) => token !== got.tokens[row]?.[i]);
      const same = firstOther < 0 ? steps : firstOther;
      if (dtype === "float32") expect(same).toBe(steps);
      const logprobs = got.logprobs[row]?.slice(0, same) ?? [];
      expect(relativeError(logprobs, want.logprobs.slice(0, same))).toBeLessThan(tolerance);
    }
  });
});

describe("memory", () => {
  // Two layers have a window of 64 tokens and two have none; a column of a layer takes 512 bytes.
  const column = 2 * 2 * 32 * 4;
  const context = 131_072;
  const { folder } = writeRandomCheckpoint({ context });
  let model: HookedTransformer;
  let handle: ModelHandle;
  beforeAll(async () => {
    ({ model, handle } = await loadWithHandle(folder, onDevice));
  });
  afterAll(async () => {
    await model.dispose();
    rmSync(folder, { recursive: true });
  });
  const held = () => memory().cpuBytes + memory().cudaBytes;

  test("64 rows that may draw 130,000 tokens each use memory for the drawn tokens only", async () => {
    const prompts = Array.from({ length: 64 }, (_, i) => [2, 3 + i]);
    const before = held();
    let drawn = 0;
    for await (const _ of model.generate(prompts, { maxNewTokens: 130_000, stopAtEos: false })) {
      if (++drawn < 4 * 64) continue;
      expect(held() - before).toBeGreaterThan(64 * column * (2 * 6 + 2 * 6) - 1);
      expect(held() - before).toBeLessThan(64 * column * (2 * 300 + 2 * 128));
      break;
    }
    expect(held()).toBe(before);
  });

  test("a layer with a window never holds more than its window", async () => {
    const before = held();
    let most = 0;
    await withGrowth({ block: 8 }, async () => {
      for await (const _ of model.generate([[2, 3]], { maxNewTokens: 400, stopAtEos: false })) {
        most = Math.max(most, held() - before);
      }
    });
    expect(most).toBeGreaterThan(column * 2 * 400);
    expect(most).toBeLessThanOrEqual(column * (2 * 600 + 2 * (63 + 64)));
  });

  test("drawn tokens stay delivered if the next do not fit", async () => {
    const prompts = [
      [2, 3, 4],
      [2, 9],
    ];
    const want = await greedy(model, prompts, 30);
    const before = held();
    const tokens: number[][] = [[], []];
    const error = await withGrowth({ block: 1, maxBytes: 2 * column * 4 * 20 }, () =>
      failure(async () => {
        const options = { maxNewTokens: 30, temperature: 0, stopAtEos: false };
        for await (const t of model.generate(prompts, options)) tokens[t.batch]?.push(t.token);
      }),
    );
    expect(error).toMatchObject({ code: "OUT_OF_MEMORY" });
    expect(error.message).toMatch(
      /^generate: expected room for \d+ tokens in 2 rows .* a batch of 1 row fits$/,
    );
    const [first = []] = tokens;
    expect(first.length).toBeGreaterThan(8);
    expect(first.length).toBeLessThan(20);
    expect(tokens).toEqual(want.tokens.map((row) => row.slice(0, first.length)));
    expect(held()).toBe(before);
  });

  const request = (kv: unknown, batch: number, pos: number): NativeRunRequest => ({
    batch,
    pos,
    tokens: new Int32Array(batch * pos).fill(5),
    startLayer: 0,
    stopLayer: 4,
    output: "logits",
    columns: new Int32Array(batch).fill(pos - 1),
    cache: new Int32Array(0),
    features: [],
    hooks: new Int32Array(0),
    kv: kv as never,
  });
  const none = { call: 0, task: 0 };

  test("the error says how many tokens and rows fit, and that many do", async () => {
    const core = native();
    const maxBytes = 200_000;
    const run = async (batch: number, pos: number) => {
      const kv = core.kvCacheCreate(handle, batch, 1000, { block: 1, maxBytes });
      try {
        const { output } = await core.modelRun(handle, request(kv, batch, pos), none);
        core.dispose(output as never);
      } finally {
        core.dispose(kv);
      }
    };
    const error = await failure(() => run(5, 40));
    const { fields } = error as unknown as { fields: Record<string, number> };
    expect(fields).toMatchObject({ rows: 5, columns: 40, free: maxBytes, device: "cpu" });
    const { fitsTokens = 0, fitsRows = 0, requested } = fields;
    expect(requested).toBe(5 * 4 * 40 * column);
    await run(5, fitsTokens);
    await run(fitsRows, 40);
    expect((await failure(() => run(5, fitsTokens + 1))).code).toBe("OUT_OF_MEMORY");
    expect((await failure(() => run(fitsRows + 1, 40))).code).toBe("OUT_OF_MEMORY");
    expect(error.message).toContain(`${fitsTokens} tokens fit`);
  });

  test("a run that does not fit leaves the cache unchanged", async () => {
    const core = native();
    const after = async (refused: boolean) => {
      const kv = core.kvCacheCreate(handle, 1, 1000, { block: 1, maxBytes: column * 4 * 30 });
      await core
        .modelRun(handle, request(kv, 1, 10), none)
        .then((r) => core.dispose(r.output as never));
      if (refused) {
        const error = await failure(() => core.modelRun(handle, request(kv, 1, 100), none));
        expect(error.code).toBe("OUT_OF_MEMORY");
        expect(error.message).toContain("tokens more fit");
        expect(core.kvCacheLength(kv)).toBe(10);
      }
      const { output } = await core.modelRun(handle, request(kv, 1, 3), none);
      const data = core.tensorData(output as never).slice();
      core.dispose(output as never);
      core.dispose(kv);
      return data;
    };
    expect(await after(true)).toEqual(await after(false));
  });

  test("refuses a prompt that exceeds the machine's memory immediately", async () => {
    // 512 KiB for each token: 2 TiB.
    const sizes = {
      layers: 8,
      dModel: 8,
      dMlp: 8,
      heads: 64,
      kvHeads: 64,
      dHead: 256,
      context: 65_536,
    };
    const huge = writeRandomCheckpoint(sizes);
    const own = await HookedTransformer.fromPretrained(huge.folder, onDevice);
    try {
      const prompts = Array.from({ length: 64 }, () => new Array<number>(65_536).fill(5));
      const error = await failure(() => own.generate(prompts, { maxNewTokens: 1 }).texts());
      expect(error).toMatchObject({ code: "OUT_OF_MEMORY", fields: { rows: 64, device: "cpu" } });
      expect(error.message).toMatch(/take 2\.\d TiB more, got .* tokens fit/);
    } finally {
      await own.dispose();
      rmSync(huge.folder, { recursive: true });
    }
  });

  test("refuses an invalid growth", async () => {
    const core = native();
    const make = (growth: object) => () => core.kvCacheCreate(handle, 1, 4, growth);
    expect((await failure(make({ block: 0 }))).code).toBe("ARGUMENT");
    expect((await failure(make({ maxBytes: -1 }))).code).toBe("ARGUMENT");
  });
});
