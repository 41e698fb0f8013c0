import type { DtypeName, EditsHandle, ModelHandle, TaskContext, TensorHandle } from "./handles.js";
import type {
  NativeEditList,
  NativeGradientResult,
  NativeGradients,
  NativeRunRequest,
  NativeRunResult,
} from "./run-request.js";
import type { NativeTensorSource } from "./tensor-source.js";

export interface NativeModelConfig {
  readonly nLayers: number;
  readonly dModel: number;
  readonly nHeads: number;
  readonly nKeyValueHeads: number;
  readonly dHead: number;
  readonly dMlp: number;
  readonly dVocab: number;
  readonly eps: number;
  /** Multiplied with q·k: 1/√query_pre_attn_scalar. */
  readonly attnScale: number;
  /** 0 for none. */
  readonly attnSoftcap: number;
  /** 0 for none. */
  readonly finalSoftcap: number;
  readonly qkNorm: boolean;
  /** Per layer: keys visible including the query itself; 0 for all. */
  readonly windows: readonly number[];
  readonly ropeBases: readonly number[];
  /** Positions are divided by it. */
  readonly ropeScales: readonly number[];
}

/** The addon's functions of a model: loading, its parameters, runs, its outer parts. */
export interface ModelCalls {
  modelLoad(
    config: NativeModelConfig,
    tensors: readonly NativeTensorSource[],
    options: { readonly device: string; readonly dtype: DtypeName | "auto" },
    ctx: TaskContext,
  ): Promise<ModelHandle>;
  /** `tied`: the unembedding is the embedding, as the checkpoint has no head or an equal one. */
  modelInfo(model: ModelHandle): {
    dtype: DtypeName;
    device: string;
    bytes: number;
    tied: boolean;
  };
  /**
   * A view by the neutral checkpoint name, e.g. "layers.3.self_attn.q_proj", "embed_tokens";
   * "lm_head" is there for tied models too. Read-only.
   */
  modelParameter(model: ModelHandle, name: string): TensorHandle;
  /** Retains its coders and tensors. What a step of a generation compiled serves the next. */
  editsCreate(edits: NativeEditList): EditsHandle;
  modelRun(
    model: ModelHandle,
    request: NativeRunRequest,
    ctx: TaskContext,
  ): Promise<NativeRunResult>;
  /** As `modelRun`, with gradients of one number. */
  modelGradients(
    model: ModelHandle,
    request: NativeRunRequest,
    gradients: NativeGradients,
    ctx: TaskContext,
  ): Promise<NativeGradientResult>;
  /** Token embeddings times √d_model: [batch, pos, dModel]. */
  modelEmbed(
    model: ModelHandle,
    tokens: Int32Array,
    batch: number,
    pos: number,
    ctx: TaskContext,
  ): Promise<TensorHandle>;
  /** The final RMSNorm with its gain, of [.., dModel]. */
  modelFinalNorm(model: ModelHandle, x: TensorHandle, ctx: TaskContext): Promise<TensorHandle>;
  /** Logits of a normed residual [.., dModel], soft cap included: [.., dVocab]. */
  modelUnembed(model: ModelHandle, x: TensorHandle, ctx: TaskContext): Promise<TensorHandle>;
}
