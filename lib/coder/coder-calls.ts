import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { CoderHandle, NativeFeatures, TensorHandle } from "../native/addon.js";
import { call, task } from "../native/call.js";
import { disown } from "../native/scope.js";
import { adopt, handleOf, originOf, setOrigin } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import type { CoderConfig } from "./coder-config.js";
import { checkOrigin, checkWidth, type InputRows, inputRows, rememberRows } from "./coder-input.js";
import type {
  CoderCallOptions,
  CoderEditOptions,
  DecodeOptions,
  EditFunction,
  EncodeOptions,
} from "./coder-options.js";
import { adoptFeatures, checkFeature, FeatureActs, rowsOf, useFeatures } from "./feature-acts.js";

/** The parts of a coder that its calls use. */
export interface CallTarget {
  readonly cfg: CoderConfig;
  /** The native coder; throws DISPOSED. */
  readonly handle: (caller: string) => CoderHandle;
}

/** One tensor for each site of a coder. */
type Tensors = readonly Tensor[];

/** Encodes one input for each read site. */
export async function encodeSites(
  coder: CallTarget,
  xs: Tensors,
  options: EncodeOptions,
): Promise<FeatureActs> {
  const only = wantedFeatures(coder, options.features);
  const rows = rowsOfInputs("encode", coder, xs, options);
  const { data, excluded } = rows;
  const features = await encodeNative("encode", coder, xs, only, rows, options);
  return adoptFeatures(features, { rows: data, excluded });
}

/** The reconstruction at each write site. */
export async function decodeSites(
  coder: CallTarget,
  acts: FeatureActs,
  xs: Tensors | undefined,
  options: DecodeOptions,
): Promise<Tensor[]> {
  const handle = coder.handle("decode");
  checkActs("decode", coder, acts);
  const { skip } = coder.cfg;
  if (skip && xs === undefined) {
    throw argument("decode", "the coder's input (its output has the skip x·A)", "x", "none");
  }
  if (xs !== undefined) checkInputs("decode", coder, xs, options.unchecked);
  const held = skip && xs !== undefined ? xs.map(hold) : undefined;
  try {
    const out = await useFeatures(acts, "decode", (features) => {
      const inputs = held?.map((x) => handleOf(x, "decode")) ?? null;
      return task(
        "decode",
        (addon, ctx) => addon.coderDecode(handle, features, inputs, ctx),
        options,
      );
    });
    return adoptRebuilt(coder, out, rowsOf(acts));
  } finally {
    for (const x of held ?? []) x.dispose();
  }
}

/** decode(encode(xs)) in one native call. */
export async function forwardSites(
  caller: string,
  coder: CallTarget,
  xs: Tensors,
  options: CoderCallOptions,
): Promise<Tensor[]> {
  const rows = rowsOfInputs(caller, coder, xs, options);
  const out = await task(
    caller,
    (addon, ctx) => addon.coderForward(coder.handle(caller), handlesOf(xs, caller), ctx),
    options,
  );
  return adoptRebuilt(coder, out, rows);
}

/** ys − forward(xs); an SAE's ys are its xs. */
export async function errorSites(
  coder: CallTarget,
  xs: Tensors,
  ys: Tensors,
  options: CoderCallOptions,
): Promise<Tensor[]> {
  if (ys !== xs) checkOutputs("error", coder, ys, options.unchecked);
  const held = ys.map(hold);
  try {
    const rebuilt = await forwardSites("error", coder, xs, options);
    try {
      return held.map((y, i) => y.sub(rebuilt[i] as Tensor));
    } finally {
      for (const tensor of rebuilt) tensor.dispose();
    }
  } finally {
    for (const y of held) y.dispose();
  }
}

/** ys + (f′ − f)·W_dec, where f are the features of xs and `fn` maps f to f′. */
export async function editSites(
  coder: CallTarget,
  xs: Tensors,
  ys: Tensors,
  fn: EditFunction,
  options: CoderEditOptions,
): Promise<Tensor[]> {
  if (ys !== xs) checkOutputs("edit", coder, ys, options.unchecked);
  if (typeof fn !== "function") throw argument("edit", "a function", "fn", typeof fn);
  const handle = coder.handle("edit");
  const rows = rowsOfInputs("edit", coder, xs, options);
  const held = ys.map(hold);
  let before: NativeFeatures | undefined;
  let acts: FeatureActs | undefined;
  try {
    before = await encodeNative("edit", coder, xs, null, rows, options);
    const original = before.handle;
    acts = adoptFeatures(before, { rows: rows.data, excluded: rows.excluded, borrowed: true });
    const after = (await fn(acts)) ?? acts;
    checkActs("edit", coder, after);
    const edited = await useFeatures(after, "edit", (features) =>
      task(
        "edit",
        (addon, ctx) =>
          addon.coderApplyEdit(handle, handlesOf(held, "edit"), original, features, ctx),
        options,
      ),
    );
    return edited.map((out, i) => {
      const result = adopt(out);
      setOrigin(result, originOf(held[i] as Tensor));
      return result;
    });
  } finally {
    acts?.dispose();
    if (before !== undefined) {
      const done = before.handle;
      call("edit", (addon) => addon.dispose(done));
    }
    for (const y of held) y.dispose();
  }
}

function encodeNative(
  caller: string,
  coder: CallTarget,
  xs: Tensors,
  only: Int32Array | null,
  { encoded }: InputRows,
  options: CoderCallOptions,
): Promise<NativeFeatures> {
  return task(
    caller,
    (addon, ctx) =>
      addon.coderEncode(coder.handle(caller), handlesOf(xs, caller), only, encoded, ctx),
    options,
  );
}

/** Checks the inputs and finds which of their rows are encoded. */
function rowsOfInputs(
  caller: string,
  coder: CallTarget,
  xs: Tensors,
  options: CoderEditOptions,
): InputRows {
  checkInputs(caller, coder, xs, options.unchecked);
  const { reads } = coder.cfg;
  const rows = inputRows(caller, xs[0] as Tensor, reads[0]?.width ?? 0, options);
  for (const [i, { hookName, width }] of reads.entries()) {
    const { shape } = xs[i] as Tensor;
    const got = shape.slice(0, shape.at(-1) === width ? -1 : -2);
    if (String(got) === String(rows.sizes)) continue;
    throw new GemlensError(
      "SHAPE",
      sentence(
        caller,
        `[${[...rows.sizes, width].join(", ")}]`,
        `${hookName}, as at ${reads[0]?.hookName}`,
        `[${shape.join(", ")}]`,
      ),
      { expected: rows.sizes, got: shape, hook: hookName },
    );
  }
  return rows;
}

function checkInputs(
  caller: string,
  coder: CallTarget,
  xs: Tensors,
  unchecked: boolean | undefined,
): void {
  coder.handle(caller);
  for (const [i, { hookName, width }] of coder.cfg.reads.entries()) {
    const x = xs[i] as Tensor;
    handleOf(x, caller);
    if (unchecked !== true) checkOrigin(caller, x, "input", hookName, coder.cfg);
    checkWidth(caller, x, "input", width, hookName);
  }
}

function checkOutputs(
  caller: string,
  coder: CallTarget,
  ys: Tensors,
  unchecked: boolean | undefined,
): void {
  for (const [i, { hookName, width }] of coder.cfg.writes.entries()) {
    const y = ys[i] as Tensor;
    handleOf(y, caller);
    if (unchecked !== true) checkOrigin(caller, y, "output", hookName, coder.cfg);
    checkWidth(caller, y, "output", width, hookName);
  }
}

function checkActs(caller: string, { cfg }: CallTarget, acts: FeatureActs): void {
  if (!(acts instanceof FeatureActs)) {
    throw argument(caller, "the FeatureActs of an encode", "acts", typeof acts);
  }
  if (acts.dSae === cfg.dSae) return;
  throw new GemlensError(
    "SHAPE",
    sentence(caller, `[.., ${cfg.dSae}]`, "acts", `[${acts.shape.join(", ")}]`),
    { expected: cfg.dSae, got: acts.shape },
  );
}

function wantedFeatures(
  { cfg }: CallTarget,
  features: readonly number[] | undefined,
): Int32Array | null {
  if (features === undefined) return null;
  for (const feature of features) checkFeature("encode", feature, cfg.dSae);
  return Int32Array.from(new Set(features)).sort();
}

function adoptRebuilt(
  { cfg }: CallTarget,
  handles: readonly TensorHandle[],
  rows: Pick<InputRows, "sizes" | "data">,
): Tensor[] {
  return handles.map((handle) => {
    const rebuilt: Tensor = adopt(handle);
    rememberRows(rebuilt, rows, cfg);
    return rebuilt;
  });
}

function handlesOf(tensors: Tensors, caller: string): TensorHandle[] {
  return tensors.map((tensor) => handleOf(tensor, caller));
}

/** Makes a second handle to the same memory: the caller may dispose theirs before the call ends. */
function hold(x: Tensor): Tensor {
  const held = x.reshape(x.shape);
  disown(held);
  return held;
}
