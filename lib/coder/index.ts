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
export { Coder, type FeatureLocation, type FeatureRef } from "./coder.js";
export type { AxesIn, CoderInput, CoderInputError, RebuiltAxes } from "./coder-axes.js";
export type {
  CoderConfig,
  CoderDtype,
  CoderFileOptions,
  SingleSiteConfig,
  TranscoderFileOptions,
} from "./coder-config.js";
export type {
  CoderCallOptions,
  CoderEditOptions,
  DecodeOptions,
  EditFunction,
  EncodeOptions,
} from "./coder-options.js";
export type { CoderReference } from "./coder-reference.js";
export { FeatureActs } from "./feature-acts.js";
export type { FeatureActsJson } from "./features-json.js";
export type { RowMask } from "./row-mask.js";
export { SAE } from "./sae.js";
export type { SaveOptions } from "./save-coder.js";
export { SingleSiteCoder } from "./single-site-coder.js";
export type { Site } from "./site.js";
export type { SiteTensors } from "./site-tensors.js";
export type { ExcludedTokens } from "./special-tokens.js";
export { Transcoder } from "./transcoder.js";
