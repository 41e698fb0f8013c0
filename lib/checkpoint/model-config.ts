import type { FileDtype } from "./tensor-source.js";

/** What differs from layer to layer. */
export interface LayerConfig {
  /** Keys that a query sees, itself included; null: every earlier key (a global layer). */
  readonly window: number | null;
  /** Base of the rotary embedding's frequencies. */
  readonly ropeBase: number;
  /** Positions are divided by this before rotation (linear scaling); 1 for none. */
  readonly ropeScale: number;
}

/** A Gemma 2 or Gemma 3 text model as data: everything that the forward pass needs to know. */
export interface ModelConfig {
  /** The family. */
  readonly modelType: "gemma2" | "gemma3";
  /** The published name without its owner, e.g. `gemma-2-2b`; for a local folder, the folder's. */
  readonly modelName: string;
  /** Blocks. */
  readonly nLayers: number;
  /** Width of the residual stream. */
  readonly dModel: number;
  /** Attention heads of a block. */
  readonly nHeads: number;
  /** Heads of keys and values; each serves nHeads / nKeyValueHeads heads. */
  readonly nKeyValueHeads: number;
  /** Width of a head. */
  readonly dHead: number;
  /** Neurons of an MLP. */
  readonly dMlp: number;
  /** Rows of the embedding: ids of tokens are below it. */
  readonly dVocab: number;
  /** Tokens that a row may have. */
  readonly nCtx: number;
  /** Added to the mean square in every RMSNorm. */
  readonly eps: number;
  /** Multiplied with q·k: 1/√query_pre_attn_scalar. */
  readonly attnScale: number;
  /** c of c·tanh(x/c) on attention scores, before the mask; null: none. */
  readonly attnSoftcap: number | null;
  /** c of c·tanh(x/c) on logits; null: none. */
  readonly finalSoftcap: number | null;
  /** Whether W_U is W_E transposed; false for a checkpoint with an output head of its own. */
  readonly tieWordEmbeddings: boolean;
  /** Whether queries and keys are RMS-normalised per head before rotation. */
  readonly qkNorm: boolean;
  /** What differs from layer to layer, one for each. */
  readonly layers: readonly LayerConfig[];
  /** The token that begins a text; null: none. */
  readonly bosTokenId: number | null;
  /** Every id that ends a generation. */
  readonly eosTokenIds: readonly number[];
  /** The token that stands in padded places; null: none. */
  readonly padTokenId: number | null;
  /** The element type that the weights are published in; null where config.json does not say. */
  readonly fileDtype: (FileDtype & ("float32" | "bfloat16" | "float16")) | null;
}
