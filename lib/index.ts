/**
 * The public API of gemlens.
 *
 * @module gemlens
 */
// biome-ignore-all assist/source/organizeImports: this import must stay first
// In a bundle this module throws, before any code that the bundle broke runs.
export {} from "./native/package-root.js";

export type { CoderEntry, L0Size } from "./catalogue/coder-entry.js";
export { type ListCodersOptions, listCoders } from "./catalogue/list-coders.js";
export { type ListReleasesOptions, listReleases, type Release } from "./catalogue/releases.js";
export { activationPatching } from "./attribute/patching/activation-patching.js";
export {
  type AttributeOptions,
  type AttributionMethod,
  attribute,
} from "./attribute/attribution/attribute.js";
export { attributionPatching } from "./attribute/patching/attribution-patching.js";
export type {
  Attribution,
  Attributions,
  Completeness,
} from "./attribute/attribution/attributions.js";
export type { AnyCache } from "./attribute/cache-rows.js";
export {
  type Component,
  type DecomposeBy,
  decompositionNames,
} from "./attribute/readout/components.js";
export type { Corpus, CorpusOptions } from "./corpus/corpus.js";
export {
  type DecomposeOptions,
  decomposeResidual,
  type ResidualParts,
} from "./attribute/readout/decompose.js";
export {
  type DirectLogitEffect,
  type DirectLogitOptions,
  type DirectLogitTarget,
  directLogitAttribution,
} from "./attribute/readout/direct-logit-attribution.js";
export {
  type AgainstAblation,
  type CoderEvaluation,
  type EvaluateOptions,
  evaluateCoder,
  type RebuildingQuality,
  type SiteEvaluation,
} from "./evaluate/evaluate-coder.js";
export { type FeatureMeansOptions, featureMeans } from "./evaluate/feature-means.js";
export {
  type LensEntry,
  type LogitLensOptions,
  logitLens,
} from "./attribute/readout/logit-lens.js";
export {
  PatchingGrid,
  type PatchPlace,
  type PatchResult,
} from "./attribute/patching/patching-grid.js";
export type { PatchingOptions } from "./attribute/patching/patching-pair.js";
export type { PatchingOver, PatchPoint } from "./attribute/patching/patching-plan.js";
export { type Readout, type ReadoutOptions, readout } from "./attribute/readout/readout.js";
export type { AttributionTarget } from "./attribute/attribution/target-values.js";
export type { RankedToken, TokenScore, TokenTarget } from "./attribute/readout/token-scores.js";
export { type TopToken, type TopTokensOptions, topTokens } from "./attribute/readout/top-tokens.js";
export {
  type CircuitTracerConfig,
  type HubFile,
  readCircuitTracerConfig,
} from "./checkpoint/circuit-tracer-config.js";
export { type CoderFile, type CoderParams, openCoderFile } from "./checkpoint/coder-file.js";
export { type CoderGuess, type CoderSite, guessFromPath } from "./checkpoint/coder-guess.js";
export { type LoadTensorsOptions, loadTensors } from "./checkpoint/load-tensors.js";
export type { LayerConfig, ModelConfig } from "./checkpoint/model-config.js";
export { type ModelFolder, openModelFolder } from "./checkpoint/model-folder.js";
export type { LayerParams, MultiLayerFile } from "./checkpoint/multi-layer-file.js";
export { openMultiLayerFile } from "./checkpoint/open-multi-layer.js";
export { openNpz } from "./checkpoint/npz.js";
export { parseModelConfig } from "./checkpoint/parse-model-config.js";
export { readSafetensorsHeader, type SafetensorsHeader } from "./checkpoint/safetensors.js";
export { type SaveTensorsOptions, saveTensors } from "./checkpoint/save-tensors.js";
export type {
  FileDtype,
  FileSource,
  TensorInFile,
  TensorSource,
} from "./checkpoint/tensor-source.js";
export type {
  ActiveFeature,
  EditOptions,
  LocatedFeature,
  ReadOptions,
  SparseFeatures,
} from "./coder/active-features.js";
export {
  type BundledCoder,
  type BundledFeature,
  type BundledFilter,
  type BundledSite,
  bundledCoder,
  bundledCoders,
} from "./coder/bundled-coders.js";
export { Coder, type FeatureLocation, type FeatureRef } from "./coder/coder.js";
export type { AxesIn, CoderInput, CoderInputError, RebuiltAxes } from "./coder/coder-axes.js";
export type {
  CoderConfig,
  CoderDtype,
  CoderFileOptions,
  SingleSiteConfig,
  TranscoderFileOptions,
} from "./coder/coder-config.js";
export type {
  CoderCallOptions,
  CoderEditOptions,
  DecodeOptions,
  EditFunction,
  EncodeOptions,
} from "./coder/coder-options.js";
export type { CoderReference } from "./coder/coder-reference.js";
export { FeatureActs } from "./coder/feature-acts.js";
export type { FeatureActsJson } from "./coder/features-json.js";
export type { RowMask } from "./coder/row-mask.js";
export { CrossLayerTranscoder } from "./coder/cross-layer-transcoder.js";
export { Crosscoder, type CrosscoderFileOptions } from "./coder/crosscoder.js";
export type { MultiLayerFileOptions } from "./coder/load-multi-layer.js";
export { MultiLayerCoder } from "./coder/multi-layer-coder.js";
export { SAE } from "./coder/sae.js";
export type { SaveOptions } from "./coder/save-coder.js";
export { SingleSiteCoder } from "./coder/single-site-coder.js";
export type { Site } from "./coder/site.js";
export type { SiteTensors } from "./coder/site-tensors.js";
export type { ExcludedTokens } from "./coder/special-tokens.js";
export { Transcoder } from "./coder/transcoder.js";
export { DisposedError } from "./errors/disposed-error.js";
export { type ErrorCode, type ErrorFields, GemlensError } from "./errors/gemlens-error.js";
export { HookError } from "./errors/hook-error.js";
export { ActivationCache } from "./hooks/activation-cache.js";
export {
  type CheckedHooks,
  type Hook,
  type HookFunction,
  type HookPointInfo,
  type HookResult,
  hook,
} from "./hooks/hook.js";
export type {
  AnyHookName,
  AxesOf,
  CacheKey,
  CacheShortName,
  CanonicalHookName,
  CheckedKey,
  CheckedKeys,
  CheckedName,
  CheckedNames,
  HookKey,
  HookKeys,
  HookName,
  HookNameError,
  LooseCacheKey,
  NameOfKey,
  NamesOf,
} from "./hooks/names.js";
export { project, type SteerOptions, steer } from "./intervene/directions.js";
export { type AblateOptions, ablate, clamp, scale } from "./intervene/features.js";
export { Intervention } from "./intervene/intervention.js";
export type { CoderJson, InterventionsJson } from "./intervene/json-form.js";
export { freeze, type PatchOptions, patch } from "./intervene/patch.js";
export type {
  Ablation,
  Clamping,
  CoderSplice,
  Direction,
  InterventionOptions,
  Patching,
  Positions,
  Projection,
  RunEditOptions,
  Scaling,
  Splice,
  Steering,
  Vector,
  VectorOptions,
} from "./intervene/types.js";
export type {
  GeneratedToken,
  GenerateOptions,
  GenerateSettings,
  RecordOptions,
  RecordWithLogits,
} from "./model/generate-options.js";
export { Generation } from "./model/generation.js";
export type {
  FeatureTarget,
  GradientTarget,
  LogitDiffTarget,
  LogitTarget,
  LossTarget,
  Metric,
  MetricTarget,
  TokenRef,
} from "./model/gradient-target.js";
export { Gradients } from "./model/gradients.js";
export { HookHandle } from "./model/hook-handle.js";
export { HookedTransformer } from "./model/hooked-transformer.js";
export type { LoadOptions, LoadProgress } from "./model/load-model.js";
export type { LoadedModelConfig } from "./model/model-core.js";
export type { Input, TokenInput, TokenOptions, Tokens } from "./model/model-input.js";
export type { OuterPartOptions } from "./model/outer-parts.js";
export type { CoderRead } from "./model/observed-coders.js";
export { RecordedToken } from "./model/token-record.js";
export { Run } from "./model/run.js";
export type {
  CacheOptions,
  ForwardOptions,
  GradientOptions,
  LossOptions,
  RunOptions,
} from "./model/run-options.js";
export { RunWithLogits } from "./model/run-with-logits.js";
export type { SamplingOptions } from "./model/sampling.js";
export type { Truncate } from "./model/truncate.js";
export { type DoctorReport, doctor } from "./setup/doctor.js";
export { tidy } from "./native/scope.js";
export {
  cat,
  empty,
  full,
  ones,
  stack,
  type TensorOptions,
  tensor,
  where,
  zeros,
} from "./tensor/factories.js";
export { type MemoryUse, memory } from "./tensor/memory.js";
export type { Device, Scalar, TensorFunctions, TensorMethods } from "./tensor/methods.js";
export type { Nested, NestedInput } from "./tensor/nest.js";
export { type ArrayOf, Tensor, type TensorData } from "./tensor/tensor.js";
export type { TensorJson } from "./tensor/tensor-json.js";
export type { ChatMessage } from "./tokenizer/chat-template.js";
export type { ChatTemplateOptions } from "./tokenizer/chat-options.js";
export { type TokenBatch, type TokenIds, Tokenizer } from "./tokenizer/tokenizer.js";
export { TokenStream } from "./tokenizer/token-stream.js";
export { loadCoder } from "./coder/load-published.js";
export type { PretrainedOptions } from "./coder/pretrained-options.js";
export type { HubProgress, HubReadOptions } from "./hub/hub-options.js";
