import type { FileDtype } from "./tensor-source.js";

/** The configuration of one layer. */
export interface LayerConfig {
  /** Number of keys that a query sees, including its own; null: every earlier key (a global layer). */
  readonly window: number | null;
  /** Base of the rotary embedding's frequencies. */
  readonly ropeBase: number;
  /** Positions are divided by this before rotation (linear scaling); 1 for none. */
  readonly ropeScale: number;
}

/** A Gemma 2 or Gemma 3 text model as data: everything that the forward pass depends on. */
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
  /** Key and value heads; each serves nHeads / nKeyValueHeads query heads. */
  readonly nKeyValueHeads: number;
  /** Width of a head. */
  readonly dHead: number;
  /** Neurons of an MLP. */
  readonly dMlp: number;
  /** Rows of the embedding; token ids are less than this. */
  readonly dVocab: number;
  /** Maximum tokens in a row. */
  readonly nCtx: number;
  /** Added to the mean square in every RMSNorm. */
  readonly eps: number;
  /** Multiplied with q·k: 1/√query_pre_attn_scalar. */
  readonly attnScale: number;
  /** c of c·tanh(x/c) on attention scores, before the mask; null: none. */
  readonly attnSoftcap: number | null;
  /** c of c·tanh(x/c) on logits; null: none. */
  readonly finalSoftcap: number | null;
  /** Whether W_U is W_E transposed; false for a checkpoint with its own output head. */
  readonly tieWordEmbeddings: boolean;
  /** Whether queries and keys are RMS-normalised per head before rotation. */
  readonly qkNorm: boolean;
  /** One configuration for each layer. */
  readonly layers: readonly LayerConfig[];
  /** The token that begins a text; null: none. */
  readonly bosTokenId: number | null;
  /** Every id that ends a generation. */
  readonly eosTokenIds: readonly number[];
  /** The token for padding; null: none. */
  readonly padTokenId: number | null;
  /** The element type of the published weights; null if config.json does not say. */
  readonly fileDtype: (FileDtype & ("float32" | "bfloat16" | "float16")) | null;
}
