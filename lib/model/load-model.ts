import type { ModelConfig } from "../checkpoint/model-config.js";
import { openModelFolder } from "../checkpoint/model-folder.js";
import type { TensorSource } from "../checkpoint/tensor-source.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { HookTable } from "../hooks/hook-table.js";
import type { NativeModelConfig, NativeTensorSource } from "../native/addon.js";
import { call, task } from "../native/call.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { ModelCore } from "./model-core.js";
import { type HubOptions, resolveModel } from "./resolve-model.js";

/** The progress of loading a model. */
export interface LoadProgress {
  /** "checkpoint" while headers are read, "weights" while weights are loaded, then "ready". */
  readonly stage: "checkpoint" | "weights" | "ready";
  /** Bytes of the checkpoint's weights, 0 before they are known. */
  readonly bytes: number;
}

/** Options for `HookedTransformer.fromPretrained`. */
export interface LoadOptions extends HubOptions {
  /** "cpu" (default), "cuda", "cuda:1". */
  readonly device?: string | undefined;
  /**
   * "auto" (default) keeps the file's dtype; any other converts tensor by tensor while loading.
   * float16 becomes float32 on a CPU. "float64" is for numerical checks: everything except coders
   * is then computed in it.
   */
  readonly dtype?: "auto" | "float32" | "bfloat16" | "float16" | "float64" | undefined;
  /** Reserved for int8 weights: UNSUPPORTED. */
  readonly quantize?: string | undefined;
  /** Reserved for downloads: UNSUPPORTED. gemlens does not download models, so leave it out. */
  readonly offline?: boolean | undefined;
  /** Reserved for downloads of gated models: UNSUPPORTED. */
  readonly token?: string | undefined;
  /** Called at each stage. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Stops loading; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

const caller = "fromPretrained";
/** Options that are reserved for later versions, and the present behaviour. */
const reserved = {
  quantize: "weights keep the form of the file, or the one that dtype names",
  offline: "nothing is downloaded, names are found in the Hugging Face cache",
  token: "nothing is downloaded, so no token is sent",
} as const;
const dtypes = ["auto", "float32", "bfloat16", "float16", "float64"] as const;

/** Finds, checks and loads a model. */
export async function loadModel(nameOrPath: string, options: LoadOptions): Promise<ModelCore> {
  checkOptions(caller, options, [
    "device",
    "dtype",
    "quantize",
    "cacheDir",
    "revision",
    "offline",
    "token",
    "onProgress",
    "signal",
  ]);
  for (const [option, why] of Object.entries(reserved)) {
    if (options[option as keyof typeof reserved] === undefined) continue;
    throw new GemlensError(
      "UNSUPPORTED",
      `${caller}: the option ${option} is not supported yet: ${why}; leave it out`,
      { option },
    );
  }
  if (typeof nameOrPath !== "string" || nameOrPath === "") {
    throw argument(caller, "a model's name or folder", "nameOrPath", JSON.stringify(nameOrPath));
  }
  const { device = "cpu", dtype = "auto", onProgress, signal } = options;
  if (!dtypes.includes(dtype))
    throw argument(caller, `one of ${dtypes.join(", ")}`, "dtype", dtype);
  signal?.throwIfAborted();
  onProgress?.({ stage: "checkpoint", bytes: 0 });
  const folder = resolveModel(nameOrPath, options);
  const { config, tensors, tokenizerDir } = openModelFolder(folder);
  const bytes = [...tensors.values()].reduce((sum, source) => sum + bytesOf(source), 0);
  onProgress?.({ stage: "weights", bytes });
  const sources = [...tensors].map(([name, source]) => ({ ...source, name }) as NativeTensorSource);
  const handle = await task(
    caller,
    (addon, ctx) => addon.modelLoad(nativeConfig(config), sources, { device, dtype }, ctx),
    { signal },
  );
  const info = call(caller, (addon) => addon.modelInfo(handle));
  if (config.tieWordEmbeddings && !info.tied) warnOfUntiedHead(folder);
  const cfg = Object.freeze({
    ...config,
    tieWordEmbeddings: info.tied,
    dtype: info.dtype,
    device: info.device,
  });
  const table = new HookTable(config.nLayers, config.qkNorm);
  onProgress?.({ stage: "ready", bytes });
  return new ModelCore(handle, cfg, table, Tokenizer.fromFolder(tokenizerDir));
}

const warned = new Set<string>();

/** Warns once per folder that the checkpoint's own head is used although config.json ties it. */
function warnOfUntiedHead(folder: string): void {
  if (warned.has(folder)) return;
  warned.add(folder);
  process.emitWarning(
    `${folder}: lm_head.weight differs from the embeddings that config.json ties it to, and is used ` +
      "for the logits; set tie_word_embeddings to false in config.json to silence this",
    { type: "GemlensWarning", code: "GEMLENS_UNTIED_HEAD" },
  );
}

function bytesOf(source: TensorSource): number {
  return "bytes" in source ? source.bytes.byteLength : source.byteLength;
}

function nativeConfig(config: ModelConfig): NativeModelConfig {
  const { layers } = config;
  return {
    nLayers: config.nLayers,
    dModel: config.dModel,
    nHeads: config.nHeads,
    nKeyValueHeads: config.nKeyValueHeads,
    dHead: config.dHead,
    dMlp: config.dMlp,
    dVocab: config.dVocab,
    eps: config.eps,
    attnScale: config.attnScale,
    attnSoftcap: config.attnSoftcap ?? 0,
    finalSoftcap: config.finalSoftcap ?? 0,
    qkNorm: config.qkNorm,
    windows: layers.map(({ window }) => window ?? 0),
    ropeBases: layers.map(({ ropeBase }) => ropeBase),
    ropeScales: layers.map(({ ropeScale }) => ropeScale),
  };
}
