export type {
  GeneratedToken,
  GenerateOptions,
  GenerateSettings,
  RecordOptions,
  RecordWithLogits,
} from "./generate-options.js";
export { Generation } from "./generation.js";
export type {
  FeatureTarget,
  GradientTarget,
  LogitDiffTarget,
  LogitTarget,
  LossTarget,
  Metric,
  MetricTarget,
  TokenRef,
} from "./gradient-target.js";
export { Gradients } from "./gradients.js";
export { HookHandle } from "./hook-handle.js";
export { HookedTransformer } from "./hooked-transformer.js";
export type { LoadOptions, LoadProgress } from "./load-model.js";
export type { LoadedModelConfig } from "./model-core.js";
export type { Input, TokenInput, TokenOptions, Tokens } from "./model-input.js";
export type { OuterPartOptions } from "./outer-parts.js";
export type { CoderRead } from "./read-coders.js";
export { RecordedToken } from "./recorded-token.js";
export { Run } from "./run.js";
export type {
  CacheOptions,
  ForwardOptions,
  GradientOptions,
  LossOptions,
  RunOptions,
} from "./run-options.js";
export { RunWithLogits } from "./run-with-logits.js";
export type { SamplingOptions } from "./sampling.js";
export type { Truncate } from "./truncate.js";
