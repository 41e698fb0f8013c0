import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import {
  empty,
  HookedTransformer,
  loadTensors,
  memory,
  readSafetensorsHeader,
  saveTensors,
  type Tensor,
  tensor,
} from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { newFolder } from "../support/folder.js";
import { need, readGoldens } from "../support/safetensors.js";

let folder: string;
beforeAll(() => {
  folder = newFolder();
});

const on = { device };
const values = [0.5, -1.25, 3, -0, 65504, 2 ** -14];
const everyDtype = (): Record<string, Tensor> => ({
  bytes: tensor(Uint8Array.of(1, 2, 255), on),
  flags: tensor([true, false, true], on),
  bits: tensor(values, { ...on, dtype: "bfloat16" }),
  half: tensor(values, { ...on, dtype: "float16" }),
  single: tensor(values, { ...on, shape: [2, 3] }),
  double: tensor(values, { ...on, dtype: "float64" }),
  int: tensor(Int32Array.of(-5, 7), on),
  long: tensor([2n ** 60n, -3n], on),
  scalar: tensor(7, on),
  none: empty([0, 4], on),
});
const dispose = (tensors: Record<string, Tensor>) => {
  for (const one of Object.values(tensors)) one.dispose();
};

test("writes every dtype bit for bit, as an independent reader finds", async () => {
  const path = join(folder, "every.safetensors");
  const tensors = everyDtype();
  await saveTensors(path, tensors, { metadata: { model: "tiny", prompt: "été \u{1f600}" } });
  expect(readdirSync(folder)).toEqual(["every.safetensors"]);
  const read = readGoldens(pathToFileURL(path), { skip: ["half"] });
  for (const [name, one] of Object.entries(tensors)) {
    if (name === "half") continue;
    const { shape, data } = need(read, name);
    expect(shape, name).toEqual(one.shape);
    const want = name === "long" ? [Number(2n ** 60n), -3] : Array.from(await one.read(), Number);
    if (name !== "long") expect(Array.from(data, Number), name).toEqual(want);
  }
  // Half-precision bit patterns by hand: 0.5, −1.25, 3, −0, 65504, 2^−14.
  const file = readFileSync(path);
  const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString());
  const data = 8 + Number(file.readBigUInt64LE());
  const at = (name: string) => data + header[name].data_offsets[0];
  const half = [0x3800, 0xbd00, 0x4200, 0x8000, 0x7bff, 0x0400];
  expect(half.map((_, i) => file.readUInt16LE(at("half") + 2 * i))).toEqual(half);
  expect(file.readBigInt64LE(at("long"))).toBe(2n ** 60n);
  expect(header.__metadata__).toEqual({ model: "tiny", prompt: "été \u{1f600}" });
  // Python maps the file: the header ends at a multiple of 8, and tensors are aligned.
  expect(data % 8).toBe(0);
  for (const [name, size] of [
    ["double", 8],
    ["long", 8],
    ["single", 4],
    ["half", 2],
  ] as const) {
    expect(at(name) % size, name).toBe(0);
  }
  dispose(tensors);
});

test("reads back all of its tensors, or some of them", async () => {
  const path = join(folder, "back.safetensors");
  const tensors = everyDtype();
  await saveTensors(path, tensors);
  const back = await loadTensors(path, { device });
  expect(Object.keys(back).sort()).toEqual(Object.keys(tensors).sort());
  for (const [name, one] of Object.entries(tensors)) {
    const got = back[name] as Tensor;
    expect([got.dtype, got.shape, got.device], name).toEqual([one.dtype, one.shape, one.device]);
    expect([...((await got.read()) as Iterable<number>)], name).toEqual([
      ...((await one.read()) as Iterable<number>),
    ]);
  }
  const some = await loadTensors(path, { device, names: ["int", "none", "int"] });
  expect(Object.keys(some)).toEqual(["int", "none"]);
  expect(readSafetensorsHeader(path).tensors.get("bits")?.dtype).toBe("bfloat16");
  for (const set of [tensors, back, some]) dispose(set);
});

test("writes views and names unchanged, and reads tensors that are disposed right after the call", async () => {
  const path = join(folder, "views.safetensors");
  const matrix = tensor(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    on,
  );
  const turned = matrix.permute([1, 0]);
  const part = matrix.slice(1, 1);
  const tensors = { turned, part, __proto__x: matrix };
  Object.defineProperty(tensors, "__proto__", { value: part, enumerable: true });
  const saving = saveTensors(path, tensors);
  for (const one of [matrix, turned, part]) one.dispose();
  await saving;
  const back = await loadTensors(path, { device });
  expect(back["turned"]?.tolist()).toEqual([
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
  expect(back["part"]?.tolist()).toEqual([
    [2, 3],
    [5, 6],
  ]);
  expect(Object.keys(back)).toContain("__proto__");
  dispose(back);
});

test("writes through a link, refuses a folder or a pipe, and accepts a run's cache", async () => {
  const x = tensor([1, 2], on);
  const [target, link] = [join(folder, "target.safetensors"), join(folder, "link.safetensors")];
  writeFileSync(target, "old");
  symlinkSync(target, link);
  await saveTensors(link, new Map([["x", x]]));
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  const back = await loadTensors(target);
  expect(back["x"]?.tolist()).toEqual([1, 2]);
  dispose(back);
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  for (const path of [folder, pipe, "/dev/null"]) {
    const error = await failure(() => saveTensors(path, { x }));
    expect(error.code).toBe("ARGUMENT");
    expect(error.message).toContain(path === folder ? "got a folder" : "got a device or a pipe");
  }
  expect(lstatSync(pipe).isFIFO()).toBe(true);
  const twice = [
    ["x", x],
    ["x", x],
  ] as const;
  expect((await failure(() => saveTensors(target, twice))).message).toContain("x twice");
  x.dispose();

  await using model = await HookedTransformer.fromPretrained("tiny", { device });
  const names = ["hook_embed", "blocks.1.hook_resid_post"] as const;
  using run = await model.runWithCache("One day", { names, logits: false });
  await saveTensors(target, run.cache);
  const cache = await loadTensors(target, { device });
  expect(Object.keys(cache).sort()).toEqual([...names].sort());
  for (const name of names) expect(cache[name]?.allClose(run.cache.get(name))).toBe(true);
  dispose(cache);
});

test("keeps the old file and no other if writing fails; frees its tensors if reading fails", async () => {
  const path = join(folder, "kept", "x.safetensors");
  const x = tensor([1, 2], on);
  await saveTensors(path, { x });
  const before = readFileSync(path);
  const gone = tensor([3], on);
  gone.dispose();
  for (const [tensors, code] of [
    [{ x, gone }, "DISPOSED"],
    [{ x, y: 3 }, "ARGUMENT"],
    [x, "ARGUMENT"],
    [{ __metadata__: x }, "ARGUMENT"],
  ] as const) {
    expect((await failure(() => saveTensors(path, tensors as never))).code).toBe(code);
  }
  const metadata = { step: 3 } as never;
  expect((await failure(() => saveTensors(path, { x }, { metadata }))).message).toContain("step");
  expect((await failure(() => saveTensors(`${path}/y`, { x }))).message).toContain("EEXIST");
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readdirSync(join(folder, "kept"))).toEqual(["x.safetensors"]);

  const { handles } = memory();
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  const { signal } = controller;
  for (const [call, code] of [
    [() => loadTensors(path, { names: ["y"] }), "NOT_FOUND"],
    [() => loadTensors(join(folder, "none.safetensors")), "NOT_FOUND"],
    [() => loadTensors(path, { device: "cuda:99" }), "DEVICE"],
    [() => loadTensors(path, { signal }), undefined],
  ] as const) {
    expect(((await failure(call)) as { code?: string }).code).toBe(code);
  }
  writeFileSync(path, before.subarray(0, before.length - 1));
  expect((await failure(() => loadTensors(path))).code).toBe("CHECKPOINT");
  expect(memory().handles).toBe(handles);
  x.dispose();
});
