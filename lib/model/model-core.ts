import type { ModelConfig } from "../checkpoint/index.js";
import { DisposedError } from "../errors/index.js";
import type { HookTable } from "../hooks/hook-table.js";
import type { Hook } from "../hooks/index.js";
import type { DtypeName, ModelHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import { currentCall } from "../native/scope.js";
import type { Tokenizer } from "../tokenizer/index.js";

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
  readonly hooks = new Set<{ readonly hook: Hook }>();
  readonly #handle: ModelHandle;
  #disposed = false;

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
  handle(what: string): ModelHandle {
    if (this.#disposed) throw new DisposedError(`${what}: the model was disposed`);
    return this.#handle;
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
