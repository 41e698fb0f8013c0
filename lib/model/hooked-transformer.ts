import { inspect } from "node:util";
import { argument, checkOptions } from "../errors/check-options.js";
import type { HookFunction } from "../hooks/hook.js";
import type { AxesOf, CheckedName, HookKey, HookKeys, NameOfKey, NamesOf } from "../hooks/names.js";
import { ownIdentity } from "../native/identity.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ChatTemplateOptions } from "../tokenizer/chat-options.js";
import type { ChatMessage } from "../tokenizer/chat-template.js";
import type { TokenIds, Tokenizer } from "../tokenizer/tokenizer.js";
import { describeModel } from "./describe-model.js";
import type {
  GenerateOptions,
  GenerateSettings,
  RecordOptions,
  RecordWithLogits,
} from "./generate-options.js";
import { Generation } from "./generation.js";
import type { Gradients } from "./gradients.js";
import { HookHandle } from "./hook-handle.js";
import { type LoadOptions, loadModel } from "./load-model.js";
import type { LoadedModelConfig, ModelCore } from "./model-core.js";
import {
  type Input,
  type InputContext,
  type TokenInput,
  type TokenOptions,
  type Tokens,
  tokenizeInput,
  tokenRows,
  tokensOf,
} from "./model-input.js";
import { embed, headPart, type OuterPartOptions } from "./outer-parts.js";
import type { Run } from "./run.js";
import type { CacheOptions, ForwardOptions, GradientOptions, LossOptions } from "./run-options.js";
import { forward, loss, runWithCache, runWithGradients } from "./run-verbs.js";
import type { RunWithLogits } from "./run-with-logits.js";
import type { RecordedToken } from "./token-record.js";
import { weight } from "./weights.js";

/** Friend access, as in tensor.ts. */
interface Access {
  core(model: HookedTransformer, caller: string): ModelCore;
}
let access!: Access;

/**
 * A Gemma 2 or Gemma 3 text model with a hook at every intermediate activation, named as in
 * TransformerLens. The weights are as published: nothing is folded or centred.
 */
export class HookedTransformer implements AsyncDisposable {
  protected readonly identity = ownIdentity();
  readonly #core: ModelCore;

  static {
    access = {
      core(model, caller) {
        if (typeof model === "object" && model !== null && #core in model) return model.#core;
        throw argument(caller, "a HookedTransformer", "model", typeof model);
      },
    };
  }

  private constructor(core: ModelCore) {
    this.#core = core;
  }

  /**
   * Loads a model: a Hugging Face folder, a name whose files are in the Hugging Face cache, or
   * "tiny", the model bundled with gemlens. `await using` frees it at the end of its block.
   *
   * @example
   * await using model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
   * @throws NOT_FOUND if the model does not exist; CHECKPOINT if a file is invalid; UNSUPPORTED if
   *   it is not Gemma 2 or 3; OUT_OF_MEMORY, DEVICE, ARGUMENT; `signal.reason`
   */
  static async fromPretrained(
    nameOrPath: string,
    options: LoadOptions = {},
  ): Promise<HookedTransformer> {
    return new HookedTransformer(await loadModel(nameOrPath, options));
  }

  /** The model's configuration, with the dtype and device of its weights. */
  get cfg(): LoadedModelConfig {
    return this.#core.cfg;
  }

  /** The names of all hook points: those outside the blocks, then block by block. */
  get hookNames(): readonly string[] {
    return this.#core.table.allNames;
  }

  /** The model's tokenizer; its files are loaded at the first use. */
  get tokenizer(): Tokenizer {
    return this.#core.tokenizer;
  }

  /** Whether `dispose()` was called. */
  get isDisposed(): boolean {
    return this.#core.isDisposed;
  }

  /**
   * Converts text or ids to token ids, checked and padded to the longest row. ARGUMENT if the input
   * is invalid.
   *
   * @example
   * console.log(model.toTokens(["One day", "One sunny day"]).shape); // [2, 4]
   */
  toTokens(input: TokenInput, options: TokenOptions = {}): Tokens {
    checkOptions("toTokens", options, ["prependBos", "paddingSide", "truncate"]);
    const context = options.truncate ? this.#core : this.#unlimited;
    return tokensOf(tokenizeInput("toTokens", input, context, options));
  }

  /**
   * One readable string per token of a text (with its BOS) or of ids. ARGUMENT if the input is a
   * batch.
   *
   * @example
   * console.log(model.toStrTokens("One day").join("|")); // <bos>|One| day
   */
  toStrTokens(input: TokenInput, options: { prependBos?: boolean | undefined } = {}): string[] {
    checkOptions("toStrTokens", options, ["prependBos"]);
    const rows = tokenRows(tokenizeInput("toStrTokens", input, this.#unlimited, options));
    if (rows.length !== 1) throw argument("toStrTokens", "one text", "input", rows.length);
    return this.tokenizer.toStrTokens(rows[0] as Int32Array);
  }

  /**
   * The text of token ids; special tokens are shown unless `skipSpecialTokens` is true. Throws as
   * {@link Tokenizer.decode}.
   */
  decode(
    ids: TokenIds | number,
    options: { skipSpecialTokens?: boolean | undefined } = {},
  ): string {
    checkOptions("decode", options, ["skipSpecialTokens"]);
    return this.tokenizer.decode(ids, { skipSpecialTokens: options.skipSpecialTokens ?? false });
  }

  /**
   * The id of a text that is exactly one token, such as " Paris". ARGUMENT if it is not.
   *
   * @example
   * console.log(model.toSingleToken(" Japanese")); // 2703
   */
  toSingleToken(text: string): number {
    return this.tokenizer.toSingleToken(text);
  }

  /**
   * Renders a conversation with the model's chat template, BOS included. Throws as
   * {@link Tokenizer.applyChatTemplate}.
   */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
    return this.tokenizer.applyChatTemplate(messages, options);
  }

  /**
   * Runs the model and returns its logits [batch, pos, d_vocab] after the soft cap. With
   * `positions` the logits are [batch, n, d_vocab]. With `stopAtLayer` the result is the residual
   * stream [batch, pos, d_model] that leaves the last block run.
   *
   * @example
   * using logits = await model.forward(text, { positions: [-1] }); // of the next token alone
   * console.log(model.decode(Number(logits.argmax().item()))); // Japanese
   * @throws ARGUMENT or SHAPE if an input or option is invalid; NOT_FOUND if a hook does not exist
   * @throws HOOK if a hook throws; BUSY if it is called inside the model's own hook; DISPOSED
   * @throws UNSUPPORTED if `hook_attn_in` is changed and heads share keys; TOKENIZER if a text
   *   needs a missing tokenizer
   * @throws DTYPE if a residual stream has another dtype; DEVICE if it, a coder or a patch is on
   *   another device; `signal.reason` if aborted
   */
  forward<const Hooks extends HookKeys>(
    input: Input,
    options: ForwardOptions<Hooks> & { readonly stopAtLayer: number },
  ): Promise<Tensor<["batch", "pos", "d_model"]>>;
  forward<const Hooks extends HookKeys>(
    input: Input,
    options?: ForwardOptions<Hooks> & { readonly stopAtLayer?: undefined },
  ): Promise<Tensor<["batch", "pos", "d_vocab"]>>;
  forward<const H extends HookKeys>(input: Input, options?: ForwardOptions<H>): Promise<Tensor>;
  forward(input: Input, options: ForwardOptions = {}): Promise<Tensor> {
    return forward(this.#core, input, options);
  }

  /**
   * Runs the model and keeps the activations of `names` and the features of the coders in
   * `features`. Throws as `forward`; ARGUMENT if the run does not reach a hook or coder.
   *
   * @example
   * using run = await model.runWithCache(text, { names: ["hook_embed"], features: [sae] });
   * console.log(run.cache.get("hook_embed").shape); // [1, 8, 128]
   * console.log(await run.features(sae).topK(10));
   */
  runWithCache<const Keys extends HookKeys, const Hooks extends HookKeys>(
    input: Input,
    options: CacheOptions<Keys, Hooks> & {
      readonly logits?: "all" | "last" | undefined;
      readonly stopAtLayer?: undefined;
    },
  ): Promise<RunWithLogits<NamesOf<Keys>>>;
  runWithCache<const Keys extends HookKeys, const Hooks extends HookKeys>(
    input: Input,
    options: CacheOptions<Keys, Hooks>,
  ): Promise<Run<NamesOf<Keys>>>;
  runWithCache(input: Input, options: CacheOptions): Promise<Run> {
    return runWithCache(this.#core, input, options);
  }

  /**
   * Runs the model and differentiates one number: a logit after the soft cap, a difference of two,
   * the loss, a coder's feature before its threshold, or a `metric` of the logits. Gradients are
   * taken at the hooks in `names`, with respect to the values after all hooks there, and at the
   * features of the coders in `coders`. The coders' error terms and replacements by JavaScript
   * hooks are constants.
   *
   * @example
   * const options = { coders: [sae], target: { logit: " Japanese" } };
   * using g = await model.runWithGradients(text, { names: ["hook_embed"], ...options });
   * console.log(g.value, g.grad("hook_embed").shape, await g.grad(sae).topK(3));
   * @throws as `forward`; ARGUMENT if the target is invalid, or the metric does not return a tensor
   *   of one element; HOOK if the metric throws; UNSUPPORTED if `names` lists `hook_attn_in` and
   *   heads share keys (a predicate skips it)
   */
  runWithGradients<const Keys extends HookKeys, const Hooks extends HookKeys>(
    input: Input,
    options: GradientOptions<Keys, Hooks>,
  ): Promise<Gradients<NamesOf<Keys>>>;
  runWithGradients(input: Input, options: GradientOptions): Promise<Gradients> {
    return runWithGradients(this.#core, input, options);
  }

  /**
   * The mean next-token cross-entropy over the real tokens, in nats. With `perToken` it returns
   * each token's loss [batch, pos − 1], 0 at padding. It is NaN if a logit of a real token is NaN.
   * Throws as `forward`.
   *
   * @example
   * console.log((await model.loss(text)).toFixed(2)); // 7.13
   * using each = await model.loss(text, { perToken: true });
   * console.log(each.shape); // [1, 7]
   */
  loss<const Hooks extends HookKeys>(
    input: Input,
    options: LossOptions<Hooks> & { readonly perToken: true },
  ): Promise<Tensor<["batch", "pos"]>>;
  loss<const Hooks extends HookKeys>(
    input: Input,
    options?: LossOptions<Hooks> & { readonly perToken?: false | undefined },
  ): Promise<number>;
  loss(input: Input, options: LossOptions = {}): Promise<number | Tensor<["batch", "pos"]>> {
    return loss(this.#core, input, options) as Promise<number | Tensor<["batch", "pos"]>>;
  }

  /**
   * Generates tokens: iterate over them as they are drawn, or `await model.generate(…).text()`.
   * Prompts of different lengths are padded on the left. With `record` each token holds
   * activations, features or logits of its step, and you must dispose it. Throws as `forward`, when
   * it is consumed.
   *
   * @example
   * const options = { maxNewTokens: 12, temperature: 0.7, seed: 1 };
   * for await (const { text } of model.generate("One day", options)) process.stdout.write(text);
   */
  generate<const Keys extends HookKeys, const Hooks extends HookKeys>(
    input: TokenInput,
    options: GenerateSettings<Hooks> & { readonly record: RecordWithLogits<Keys> },
  ): Generation<RecordedToken<NamesOf<Keys>> & { readonly logits: Tensor<["d_vocab"]> }>;
  generate<const Keys extends HookKeys, const Hooks extends HookKeys>(
    input: TokenInput,
    options: GenerateSettings<Hooks> & { readonly record: RecordOptions<Keys> },
  ): Generation<RecordedToken<NamesOf<Keys>>>;
  generate<const Keys extends HookKeys, const Hooks extends HookKeys>(
    input: TokenInput,
    options?: GenerateOptions<Keys, Hooks>,
  ): Generation;
  generate(input: TokenInput, options: GenerateOptions = {}): Generation {
    return new Generation(this.#core, input, options);
  }

  /**
   * Adds a hook to all later runs, before the hooks of a call, until `using` or `dispose()` removes
   * it.
   *
   * @example
   * using quiet = model.addHook("blocks.1.hook_mlp_out", (act) => act.mul(0.5));
   *
   * @throws NOT_FOUND if the hook does not exist, with the closest names; ARGUMENT, DISPOSED
   */
  addHook<const Key extends HookKey>(
    name: CheckedName<Key>,
    fn: HookFunction<AxesOf<NameOfKey<Key>>>,
  ): HookHandle {
    this.#core.handle("addHook");
    if (typeof fn !== "function") throw argument("addHook", "a function", "fn", typeof fn);
    const point = this.#core.table.resolve(name as HookKey, "addHook");
    const entry = { point, fn: fn as HookFunction };
    this.#core.hooks.add(entry);
    return new HookHandle(() => this.#core.hooks.delete(entry));
  }

  /** Removes every hook of `addHook`. */
  resetHooks(): void {
    this.#core.hooks.clear();
  }

  /**
   * A read-only weight by TransformerLens' name and shape: "W_U", "blocks.3.attn.W_O",
   * "blocks.0.ln1.w" (1 + w, at least float32) and so on. W_E is the raw embedding, before its
   * factor √d_model. The result is a view of the model's memory, except for gains, and for W_K and
   * W_V if heads share keys.
   *
   * @example
   * using out = model.weight("blocks.3.attn.W_O");
   * console.log(out.shape); // [4, 32, 128]
   *
   * @throws NOT_FOUND if there is no such weight, with the known names; DISPOSED
   */
  weight(name: string): Tensor {
    return weight(this.#core.handle("weight"), this.cfg, name);
  }

  /**
   * Token embeddings times √d_model, as at `hook_embed`. ARGUMENT if tokens are invalid or too
   * many.
   */
  async embed(
    input: TokenInput,
    options: TokenOptions & { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Tensor<["batch", "pos", "d_model"]>> {
    checkOptions("embed", options, ["prependBos", "paddingSide", "truncate", "signal"]);
    return (await embed(this.#core, input, options)) as Tensor<["batch", "pos", "d_model"]>;
  }

  /**
   * Applies the final RMSNorm, gain included, to a residual stream x [.., d_model].
   *
   * @throws SHAPE, DTYPE; HOOK if x is known to be a vector of another space
   */
  async finalNorm<T extends Tensor>(x: T, options: OuterPartOptions = {}): Promise<T> {
    return (await headPart("finalNorm", this.#core, x, options)) as T;
  }

  /**
   * The logits [.., d_vocab] of a normed x [.., d_model], soft cap included. It does not norm x:
   * apply {@link finalNorm} to a residual stream first to get the model's logits.
   *
   * @throws SHAPE, DTYPE; HOOK if x is known to be a vector of another space
   */
  async unembed(
    x: Tensor,
    options: OuterPartOptions = {},
  ): Promise<Tensor<["batch", "pos", "d_vocab"]>> {
    const logits = await headPart("unembed", this.#core, x, options);
    return logits as Tensor<["batch", "pos", "d_vocab"]>;
  }

  /**
   * Frees the model once the queued work has run. Later calls throw DisposedError at once; tensors,
   * activations and coders stay usable.
   */
  dispose(): Promise<void> {
    return this.#core.dispose();
  }

  /** The model's configuration, for `JSON.stringify`. */
  toJSON(): LoadedModelConfig {
    return this.cfg;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  [inspect.custom](): string {
    return describeModel(this.#core);
  }

  /** A context without a length limit, for tokens that no run reads. */
  get #unlimited(): InputContext {
    const cfg = { ...this.cfg, nCtx: Number.POSITIVE_INFINITY };
    return { tokenizer: this.tokenizer, cfg };
  }
}

/** @internal The state that the parts of a model share. ARGUMENT if `model` is not a model. */
export function coreOf(model: HookedTransformer, caller: string): ModelCore {
  return access.core(model, caller);
}
