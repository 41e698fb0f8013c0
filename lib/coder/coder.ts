import { inspect } from "node:util";
import { argument, checkOptions } from "../errors/check-options.js";
import { DisposedError, GemlensError } from "../errors/index.js";
import type { CoderHandle, FeaturesHandle } from "../native/addon.js";
import { call, task } from "../native/call.js";
import { ownIdentity } from "../native/identity.js";
import { disown } from "../native/scope.js";
import type { Tensor } from "../tensor/index.js";
import { adopt, handleOf, originOf, setOrigin } from "../tensor/internal.js";
import type { AxesIn, CoderInput, RebuiltAxes } from "./coder-axes.js";
import type { CoderConfig } from "./coder-config.js";
import { checkOrigin, checkWidth, type InputRows, inputRows, rememberRows } from "./coder-input.js";
import {
  type CoderCallOptions,
  type CoderEditOptions,
  callKeys,
  type EditFunction,
  type EncodeOptions,
} from "./coder-options.js";
import { type CoderReference, referenceOf } from "./coder-reference.js";
import { adoptFeatures, checkFeature, FeatureActs, rowsOf, useFeatures } from "./feature-acts.js";
import { type SaveOptions, saveCoder } from "./save-coder.js";

/** One feature of one coder: what interventions and attribution targets name. */
export interface FeatureRef {
  /** The coder that has it. */
  readonly coder: Coder;
  /** Its index, 0 to dSae − 1. */
  readonly feature: number;
}

type ParameterName = "W_enc" | "W_dec" | "b_enc" | "b_dec" | "threshold" | "skip";

let handleOfCoder: (coder: Coder, what: string) => CoderHandle;

/**
 * A JumpReLU coder: what SAEs and transcoders share.
 *
 *     pre = x·W_enc + b_enc      f = pre where pre > max(threshold, 0), else 0
 *     out = f·W_dec + b_dec      (+ x·A where the coder has an affine skip connection)
 *
 * With `cfg.applyBDecToInput` (coders saved by SAELens), pre = (x − b_dec)·W_enc + b_enc.
 * (Rajamanoharan et al. 2024, arXiv 2407.14435; Lieberum et al. 2024, arXiv 2408.05147.)
 * The parameters are read-only and belong to the coder.
 */
export abstract class Coder implements Disposable {
  /** What the coder is and where it belongs. */
  readonly cfg: CoderConfig;
  protected readonly identity = ownIdentity();
  readonly #handle: CoderHandle;
  readonly #parameters = new Map<ParameterName, Tensor>();
  #disposed = false;

  static {
    handleOfCoder = (coder, what) => coder.#alive(what);
  }

  protected constructor(handle: CoderHandle, cfg: CoderConfig) {
    this.#handle = handle;
    this.cfg = cfg;
  }

  /** What each feature listens for, in columns: [dIn, dSae]. A read-only view. */
  get W_enc(): Tensor<["d_in", "d_sae"]> {
    return this.parameter("W_enc") as Tensor<["d_in", "d_sae"]>;
  }

  /**
   * What each feature writes, in rows: [dSae, dOut]. A read-only view. Its parts remember their hook,
   * as {@link direction} does.
   */
  get W_dec(): Tensor<["d_sae", "d_out"]> {
    return this.parameter("W_dec") as Tensor<["d_sae", "d_out"]>;
  }

  /** Added to x·W_enc: [dSae]. A read-only view. */
  get b_enc(): Tensor<["d_sae"]> {
    return this.parameter("b_enc") as Tensor<["d_sae"]>;
  }

  /** Added to f·W_dec: [dOut]. A read-only view. */
  get b_dec(): Tensor<["d_out"]> {
    return this.parameter("b_dec") as Tensor<["d_out"]>;
  }

  /** What a feature must exceed before it counts: [dSae]. A read-only view. */
  get threshold(): Tensor<["d_sae"]> {
    return this.parameter("threshold") as Tensor<["d_sae"]>;
  }

  /** Whether `dispose()` was called. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /**
   * Feature activations of x [.., dIn] (for attention coders also [.., heads, d_head]): sparse,
   * float32, exact. Padding has no features: x remembers that of its run through every operation
   * that keeps whole rows or works on elements (one that mixes rows forgets it), unless `mask` says.
   *
   * @example
   * using x = await model.forward(text, { stopAtLayer: 3 }); // what leaves block 2
   * using acts = await sae.encode(x);
   * const [strongest] = await acts.at({ position: -1 }); // of the last token
   * console.log(acts.shape, strongest?.feature); // [1, 8, 1024] 213
   *
   * @throws SHAPE for another width, or a mask of another size
   * @throws HOOK for a tensor known to come from another hook than `cfg.hookName`
   * @throws ARGUMENT for a feature id out of range, a mask that is none, or `excludeSpecialTokens`
   *   where the tokens are not known
   * @throws DISPOSED, DEVICE
   */
  async encode<T extends Tensor>(
    x: CoderInput<T>,
    options: EncodeOptions = {},
  ): Promise<FeatureActs<AxesIn<T>>> {
    checkOptions("encode", options, ["features", "excludeSpecialTokens", ...callKeys]);
    const only = this.#wanted(options.features);
    const input = x as Tensor;
    const rows = this.#rowsOf("encode", input, options);
    const { data, excluded } = rows;
    return adoptFeatures(await this.#encode("encode", input, only, rows, options), {
      rows: data,
      excluded,
    });
  }

  /**
   * What the features rebuild: f·W_dec + b_dec, [.., dOut]; attention coders leave the heads
   * flattened. A coder with a skip connection needs its input `x` too, and adds x·A.
   *
   * @example
   * using x = await model.forward(text, { stopAtLayer: 3 });
   * using acts = await sae.encode(x, { features: [213, 259] }); // these two alone
   * using rebuilt = await sae.decode(acts);
   * console.log(rebuilt.shape); // [1, 8, 128]
   *
   * @throws ARGUMENT without the needed `x`; SHAPE for activations of another coder's width
   * @throws HOOK for an `x` known to come from another hook than `cfg.hookName`; DISPOSED
   */
  async decode<const Axes extends readonly string[]>(
    acts: FeatureActs<Axes>,
    x?: Tensor,
    options: Pick<CoderCallOptions, "unchecked" | "signal"> = {},
  ): Promise<Tensor<RebuiltAxes<Axes>>> {
    checkOptions("decode", options, ["unchecked", "signal"]);
    const handle = this.#alive("decode");
    this.checkActs("decode", acts);
    if (this.cfg.skip && x === undefined) {
      throw argument("decode", "the coder's input (its output has the skip x·A)", "x", "none");
    }
    if (x !== undefined) this.checkInput("decode", x, options.unchecked);
    const held = this.cfg.skip && x !== undefined ? hold(x) : undefined;
    try {
      const out = await useFeatures(acts, "decode", (features) => {
        const skip = held === undefined ? null : handleOf(held, "decode");
        return task(
          "decode",
          (addon, ctx) => addon.coderDecode(handle, features, skip, ctx),
          options,
        );
      });
      const decoded = adopt(out);
      rememberRows(decoded, rowsOf(acts), this.cfg);
      return decoded as Tensor<RebuiltAxes<Axes>>;
    } finally {
      held?.dispose();
    }
  }

  /**
   * A feature's direction, read-only: what it listens for ([dIn], a column of W_enc) or what it
   * writes ([dOut], a row of W_dec). It remembers its hook: `steer`, `project` and `readout` refuse it
   * at a point of another space.
   *
   * @throws ARGUMENT for a feature that there is not
   */
  direction(feature: number, side: "encoder" | "decoder" = "decoder"): Tensor {
    checkFeature("direction", feature, this.cfg.dSae);
    if (side !== "encoder" && side !== "decoder") {
      throw argument("direction", '"encoder" or "decoder"', "side", JSON.stringify(side));
    }
    return side === "encoder" ? this.W_enc.select(1, feature) : this.W_dec.select(0, feature);
  }

  /**
   * Names one feature, for interventions and targets.
   *
   * @example
   * const interventions = [ablate(sae.feature(213))];
   * console.log(await model.generate(text, { interventions, temperature: 0 }).text());
   *
   * @throws ARGUMENT for a feature that there is not
   */
  feature(feature: number): FeatureRef {
    checkFeature("feature", feature, this.cfg.dSae);
    return { coder: this, feature };
  }

  /**
   * Writes the coder in a published format, in float32: Gemma Scope 1 if `path` ends in .npz, else
   * a Gemma Scope 2 folder (config.json and params.safetensors), or with `format: "sae-lens"` a
   * folder of SAELens. Each file is written to a temporary name first, then renamed. An .npz has no
   * place for the hook: if its path does not tell it, as a published one's does, load it with
   * `hookName` (a transcoder with `hookNameOut` too).
   *
   * @throws UNSUPPORTED if the format has no place for this coder (a skip in an .npz; a hook that
   *   Gemma Scope 2 does not name; `applyBDecToInput` anywhere but in SAELens' format)
   * @throws ARGUMENT for an invalid path or format; the file system's own error if it refuses
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    this.#alive("save");
    await saveCoder(path, this.cfg, (name) => this.parameter(name), options);
  }

  /** Frees the parameters; calls already made finish. Later use throws DisposedError. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const tensor of this.#parameters.values()) tensor.dispose();
    this.#parameters.clear();
    call("dispose", (addon) => addon.dispose(this.#handle));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Names the coder, for `JSON.stringify`: by release and id if published, else by its path. */
  toJSON(): CoderReference {
    return referenceOf(this.cfg);
  }

  [inspect.custom](): string {
    const { cfg } = this;
    const hooks =
      cfg.hookName === cfg.hookNameOut ? cfg.hookName : `${cfg.hookName} → ${cfg.hookNameOut}`;
    const parts = [
      `${cfg.dIn} → ${cfg.dSae} → ${cfg.dOut}`,
      cfg.architecture,
      ...(cfg.skip ? ["skip"] : []),
      `${cfg.dtype} ${cfg.device}`,
      ...(cfg.l0 === undefined ? [] : [`L0 ${cfg.l0}`]),
    ];
    const name = `${this.constructor.name} ${cfg.modelName ?? ""}`.trim();
    return `${name} ${hooks} (${parts.join(", ")})${this.#disposed ? " (disposed)" : ""}`;
  }

  protected parameter(name: ParameterName): Tensor {
    const handle = this.#alive(name);
    const known = this.#parameters.get(name);
    if (known !== undefined && !known.isDisposed) return known;
    const tensor = adopt(call(name, (addon) => addon.coderParameter(handle, name)));
    // Made at first use, maybe inside a hook or a tidy, but the coder's for good.
    disown(tensor);
    const { hookName, hookNameOut, modelName } = this.cfg;
    const hook = { W_enc: hookName, W_dec: hookNameOut, b_dec: hookNameOut }[name as string];
    if (hook !== undefined) setOrigin(tensor, { hook, model: modelName });
    this.#parameters.set(name, tensor);
    return tensor;
  }

  protected checkInput(what: string, x: Tensor, unchecked: boolean | undefined): void {
    this.#alive(what);
    handleOf(x, what);
    if (unchecked !== true) checkOrigin(what, x, "input", this.cfg.hookName, this.cfg);
    checkWidth(what, x, "input", this.cfg.dIn, this.cfg.hookName);
  }

  protected checkOutput(what: string, y: Tensor, unchecked: boolean | undefined): void {
    handleOf(y, what);
    if (unchecked !== true) checkOrigin(what, y, "output", this.cfg.hookNameOut, this.cfg);
    checkWidth(what, y, "output", this.cfg.dOut, this.cfg.hookNameOut);
  }

  protected async forwardNative(
    what: string,
    x: Tensor,
    options: CoderCallOptions,
  ): Promise<Tensor> {
    const rows = this.#rowsOf(what, x, options);
    const run = task(
      what,
      (addon, ctx) => addon.coderForward(this.#handle, handleOf(x, what), ctx),
      options,
    );
    const rebuilt = adopt(await run);
    rememberRows(rebuilt, rows, this.cfg);
    return rebuilt;
  }

  protected async errorNative(x: Tensor, y: Tensor, options: CoderCallOptions): Promise<Tensor> {
    const held = hold(y);
    try {
      const rebuilt = await this.forwardNative("error", x, options);
      try {
        return held.sub(rebuilt);
      } finally {
        rebuilt.dispose();
      }
    } finally {
      held.dispose();
    }
  }

  async #encode(
    what: string,
    x: Tensor,
    only: Int32Array | null,
    { encoded }: InputRows,
    options: CoderCallOptions,
  ): Promise<FeaturesHandle> {
    return task(
      what,
      (addon, ctx) => addon.coderEncode(this.#handle, handleOf(x, what), only, encoded, ctx),
      options,
    );
  }

  /** Checks an input, and says which of its rows are encoded. */
  #rowsOf(what: string, x: Tensor, options: CoderEditOptions): InputRows {
    this.checkInput(what, x, options.unchecked);
    return inputRows(what, x, this.cfg.dIn, options);
  }

  /** base + (f′ − f)·W_dec, where f are the features of x and f′ what `fn` makes of them. */
  protected async editNative(
    x: Tensor,
    base: Tensor,
    fn: EditFunction,
    options: CoderEditOptions,
  ): Promise<Tensor> {
    if (typeof fn !== "function") throw argument("edit", "a function", "fn", typeof fn);
    const handle = this.#alive("edit");
    const rows = this.#rowsOf("edit", x, options);
    const held = hold(base);
    let before: FeaturesHandle | undefined;
    let acts: FeatureActs | undefined;
    try {
      before = await this.#encode("edit", x, null, rows, options);
      const original = before;
      acts = adoptFeatures(original, { rows: rows.data, excluded: rows.excluded, lent: true });
      const after = (await fn(acts)) ?? acts;
      this.checkActs("edit", after);
      const edited = await useFeatures(after, "edit", (features) =>
        task(
          "edit",
          (addon, ctx) =>
            addon.coderApplyEdit(handle, handleOf(held, "edit"), original, features, ctx),
          options,
        ),
      );
      const result = adopt(edited);
      setOrigin(result, originOf(held));
      return result;
    } finally {
      acts?.dispose();
      if (before !== undefined) {
        const done = before;
        call("edit", (addon) => addon.dispose(done));
      }
      held.dispose();
    }
  }

  protected checkActs(what: string, acts: FeatureActs): void {
    if (!(acts instanceof FeatureActs)) {
      throw argument(what, "the FeatureActs of an encode", "acts", typeof acts);
    }
    if (acts.dSae === this.cfg.dSae) return;
    throw new GemlensError(
      "SHAPE",
      `${what}: expected [.., ${this.cfg.dSae}] for acts, got [${acts.shape.join(", ")}]`,
      { expected: this.cfg.dSae, got: acts.shape },
    );
  }

  #wanted(features: readonly number[] | undefined): Int32Array | null {
    if (features === undefined) return null;
    for (const feature of features) checkFeature("encode", feature, this.cfg.dSae);
    return Int32Array.from(new Set(features)).sort();
  }

  #alive(what: string): CoderHandle {
    if (this.#disposed) throw new DisposedError(`${what}: the coder was disposed`);
    return this.#handle;
  }
}

/** The same tensor under a handle of our own: the caller may dispose its own before we are done. */
function hold(x: Tensor): Tensor {
  const held = x.reshape(x.shape);
  disown(held);
  return held;
}

/** @internal The native coder; throws DisposedError. */
export function coderHandle(coder: Coder, what: string): CoderHandle {
  return handleOfCoder(coder, what);
}
