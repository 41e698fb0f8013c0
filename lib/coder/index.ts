export type {
  ActiveFeature,
  EditOptions,
  LocatedFeature,
  ReadOptions,
  SparseFeatures,
} from "./active-features.js";
export {
  type BundledCoder,
  type BundledFeature,
  type BundledFilter,
  type BundledSite,
  bundledCoder,
  bundledCoders,
} from "./bundled-coders.js";
export { Coder, type FeatureRef } from "./coder.js";
export type { AxesIn, CoderInput, CoderInputError, RebuiltAxes } from "./coder-axes.js";
export type {
  CoderConfig,
  CoderDtype,
  CoderFileOptions,
  TranscoderFileOptions,
} from "./coder-config.js";
export type {
  CoderCallOptions,
  CoderEditOptions,
  EditFunction,
  EncodeOptions,
} from "./coder-options.js";
export type { CoderReference } from "./coder-reference.js";
export { FeatureActs } from "./feature-acts.js";
export type { FeatureActsJson } from "./features-json.js";
export type { RowMask } from "./row-mask.js";
export { SAE } from "./sae.js";
export type { SaveOptions } from "./save-coder.js";
export type { ExcludedTokens } from "./special-tokens.js";
export { Transcoder } from "./transcoder.js";
