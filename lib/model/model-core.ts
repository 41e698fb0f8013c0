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

/** A model's configuration with where and how its weights lie. */
export interface LoadedModelConfig extends ModelConfig {
  /** The element type that the weights are held in, and activations computed in. */
  readonly dtype: DtypeName;
  /** "cpu" or "cuda:0". */
  readonly device: string;
}

/** What the parts of a HookedTransformer share. */
export class ModelCore {
  readonly cfg: LoadedModelConfig;
  readonly table: HookTable;
  readonly tokenizer: Tokenizer;
  /** Hooks of `addHook`, called before those of a call. */
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
   * The model's tokens that are not text, whoever leaves them out: those that its tokenizer marks as
   * special (if it has one), and the BOS, EOS and padding that config.json names. One function for
   * each model; the set is made at its first call.
   */
  readonly specialTokens = (): ReadonlySet<number> => {
    const { bosTokenId, eosTokenIds, padTokenId } = this.cfg;
    this.#special ??= new Set([
      ...markedSpecial(this),
      ...[bosTokenId, ...eosTokenIds, padTokenId].filter((id) => id !== null),
    ]);
    return this.#special;
  };

  /** What checking coders and interventions needs; without a range only the model counts. */
  editContext(caller: string, range?: LayerRange): EditContext {
    const { table, cfg, specialTokens } = this;
    const checkReached: EditContext["checkReached"] = (use, point) => {
      if (range !== undefined) checkFires(caller, use, point, range);
    };
    return { caller, table, cfg, checkReached, specialTokens };
  }

  /**
   * Frees the weights once the work that was queued before has run; called in a hook it does not
   * wait, as that work includes the run that waits for the hook.
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
