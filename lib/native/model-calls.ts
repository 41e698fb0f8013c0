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
  /** Per layer: divides the positions. */
  readonly ropeScales: readonly number[];
}

/** The addon's functions of a model: loading, parameters, runs, embedding and unembedding. */
export interface ModelCalls {
  modelLoad(
    config: NativeModelConfig,
    tensors: readonly NativeTensorSource[],
    options: { readonly device: string; readonly dtype: DtypeName | "auto" },
    ctx: TaskContext,
  ): Promise<ModelHandle>;
  /** `tied` means that the unembedding is the embedding: the checkpoint has no output head, or an equal one. */
  modelInfo(model: ModelHandle): {
    dtype: DtypeName;
    device: string;
    bytes: number;
    tied: boolean;
  };
  /**
   * Returns a read-only view by the neutral checkpoint name, e.g. "layers.3.self_attn.q_proj" or
   * "embed_tokens". Tied models have "lm_head" too.
   */
  modelParameter(model: ModelHandle, name: string): TensorHandle;
  /** Retains its coders and tensors. Each step of a generation reuses the compiled edits. */
  editsCreate(edits: NativeEditList): EditsHandle;
  modelRun(
    model: ModelHandle,
    request: NativeRunRequest,
    ctx: TaskContext,
  ): Promise<NativeRunResult>;
  /** As `modelRun`, with the gradients of one number. */
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
