import { afterAll, beforeAll, expect, test } from "vitest";
import { type Generation, HookedTransformer } from "../../lib/index.js";
import { device, failure } from "../support/compare.js";

let model: HookedTransformer;
let nCtx: number;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
  nCtx = model.cfg.nCtx;
});
afterAll(() => model?.dispose());

async function drawn(generation: Generation): Promise<number[]> {
  const tokens: number[] = [];
  for await (const { token } of generation) tokens.push(token);
  return tokens;
}

/** BOS, then ids that encode their position. */
const long = (more: number) =>
  Array.from({ length: nCtx + more }, (_, i) => (i === 0 ? 2 : 10 + (i % 300)));

test("keeps the beginning of a row that is too long, or BOS and its end", () => {
  const ids = long(7);
  const kept = (truncate: boolean | "left" | "right", row = ids) => [
    ...model.toTokens(row, { truncate }).ids,
  ];
  expect(kept(true)).toEqual(ids.slice(0, nCtx));
  expect(kept("right")).toEqual(ids.slice(0, nCtx));
  expect(kept("left")).toEqual([2, ...ids.slice(8)]);
  const headless = ids.slice(1);
  expect(kept("left", headless)).toEqual(headless.slice(6));
  expect(kept(false)).toEqual(ids);
  const fitting = ids.slice(0, nCtx);
  for (const side of ["left", "right"] as const) expect(kept(side, fitting)).toEqual(fitting);
});

test("truncates each row separately, of texts, ids and Tokens", () => {
  const short = [2, 20, 30];
  const rows = [long(1), short, long(40)];
  const padded = model.toTokens(rows);
  for (const input of [rows, padded]) {
    const { ids, shape, mask } = model.toTokens(input, { truncate: "left" });
    expect(shape).toEqual([3, nCtx]);
    const real = (row: number) =>
      [...ids.slice(row * nCtx, (row + 1) * nCtx)].filter((_, i) => mask[row * nCtx + i] === 1);
    expect(real(0)).toEqual([2, ...long(1).slice(2)]);
    expect(real(1)).toEqual(short);
    expect(real(2)).toEqual([2, ...long(40).slice(41)]);
  }
  const text = "One sunny day, Lily saw a red bird. ".repeat(Math.ceil(nCtx / 6));
  const whole = model.toTokens(text).ids;
  expect(whole.length).toBeGreaterThan(nCtx);
  expect([...model.toTokens(text, { truncate: true }).ids]).toEqual([...whole.slice(0, nCtx)]);
});

test("gives the same results as the truncated row", async () => {
  const ids = long(5);
  using cut = await model.forward(ids.slice(0, nCtx), { positions: [-1] });
  using got = await model.forward(ids, { positions: [-1], truncate: true });
  expect(got.allClose(cut)).toBe(true);
  const names = ["blocks.1.hook_resid_post"] as const;
  using run = await model.runWithCache(ids, { names, logits: false, truncate: "left" });
  expect(run.cache.get(names[0]).shape).toEqual([1, nCtx, model.cfg.dModel]);
  const want = await model.loss([2, ...ids.slice(6)]);
  expect(await model.loss(ids, { truncate: "left" })).toBeCloseTo(want, 6);
});

test("leaves room for the tokens that generate will draw", async () => {
  const ids = long(0);
  const options = { temperature: 0, maxNewTokens: 4, stopAtEos: false };
  const draw = (input: number[], truncate?: "left" | "right") =>
    drawn(model.generate(input, { ...options, truncate }));
  expect((await draw(ids)).length).toBe(1); // the context is full
  const room = nCtx - 3;
  const right = await draw(ids, "right");
  expect(right.length).toBe(4);
  expect(right).toEqual(await draw(ids.slice(0, room)));
  expect(await draw(ids, "left")).toEqual(await draw([2, ...ids.slice(nCtx - room + 1)]));
  const error = await failure(() =>
    drawn(model.generate(ids, { maxNewTokens: nCtx, truncate: true })),
  );
  expect(error.code).toBe("ARGUMENT");
  expect(error.message).toContain(`at most ${nCtx - 1} with truncate`);
});

test("refuses long rows without it, with a remedy; refuses other values", async () => {
  const tooLong = await failure(() => model.forward(long(1)));
  expect(tooLong.message).toContain(`got ${nCtx + 1} ({truncate: true} keeps the first ${nCtx})`);
  // @ts-expect-error: no such side
  const other = await failure(async () => model.toTokens(long(1), { truncate: "middle" }));
  expect(other.code).toBe("ARGUMENT");
  expect(other.message).toContain('got "middle"');
});
