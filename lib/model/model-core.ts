import type { ModelConfig } from "../checkpoint/model-config.js";
import { DisposedError } from "../errors/disposed-error.js";
import { GemlensError } from "../errors/gemlens-error.js";
import type { HookTable } from "../hooks/hook-table.js";
import type { ResolvedHook } from "../hooks/js-hooks.js";
import type { EditContext } from "../intervene/edit-context.js";
import type { DtypeName, ModelHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import { currentCall } from "../native/scope.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { checkFires, type LayerRange } from "./layer-range.js";

/** A model's configuration, with the dtype and device of its weights. */
export interface LoadedModelConfig extends ModelConfig {
  /** The element type of weights and activations. */
  readonly dtype: DtypeName;
  /** "cpu" or "cuda:0". */
  readonly device: string;
}

/** The state that the parts of a HookedTransformer share. */
export class ModelCore {
  readonly cfg: LoadedModelConfig;
  readonly table: HookTable;
  readonly tokenizer: Tokenizer;
  /** Hooks of `addHook`, which run before those of a call. */
  readonly hooks = new Set<ResolvedHook>();
  readonly #handle: ModelHandle;
  #disposed = false;
  #special: ReadonlySet<number> | undefined;

  constructor(handle: ModelHandle, cfg: LoadedModelConfig, table: HookTable, tokenizer: Tokenizer) {
    this.#handle = handle;
    this.cfg = cfg;
    this.table = table;
    this.tokenizer = tokenizer;
  }

  get isDisposed(): boolean {
    return this.#disposed;
  }

  /** The native model; throws DisposedError. */
  handle(caller: string): ModelHandle {
    if (this.#disposed) throw new DisposedError(`${caller}: the model was disposed`);
    return this.#handle;
  }

  /**
   * The model's special tokens: those that its tokenizer marks as special (if it has one), and the
   * BOS, EOS and padding of config.json. There is one function per model, and its first call makes
   * the set.
   */
  readonly specialTokens = (): ReadonlySet<number> => {
    const { bosTokenId, eosTokenIds, padTokenId } = this.cfg;
    this.#special ??= new Set([
      ...markedSpecial(this),
      ...[bosTokenId, ...eosTokenIds, padTokenId].filter((id) => id !== null),
    ]);
    return this.#special;
  };

  /** The context for checks of coders and interventions; without a range every point is reached. */
  editContext(caller: string, range?: LayerRange): EditContext {
    const { table, cfg, specialTokens } = this;
    const checkReached: EditContext["checkReached"] = (use, point) => {
      if (range !== undefined) checkFires(caller, use, point, range);
    };
    return { caller, table, cfg, checkReached, specialTokens };
  }

  /**
   * Frees the weights once the queued work has run. Inside a hook it does not wait, because the
   * queued work includes the run that is waiting for the hook.
   */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.hooks.clear();
    call("dispose", (addon) => addon.dispose(this.#handle));
    if (currentCall() === 0) await call("dispose", (addon) => addon.drain(this.cfg.device));
  }
}

function markedSpecial({ tokenizer }: ModelCore): Iterable<number> {
  try {
    return tokenizer.specialTokenIds;
  } catch (error) {
    if (!GemlensError.is(error)) throw error;
    return [];
  }
}
