export {
  Coder,
  type CoderCallOptions,
  type EditFunction,
  type EncodeOptions,
  type FeatureRef,
} from "./coder.js";
export type { AxesIn, CoderInput, CoderInputError, RebuiltAxes } from "./coder-axes.js";
export type {
  CoderConfig,
  CoderDtype,
  CoderFileOptions,
  TranscoderFileOptions,
} from "./coder-config.js";
export {
  type ActiveFeature,
  type EditOptions,
  FeatureActs,
  type LocatedFeature,
  type SparseFeatures,
} from "./feature-acts.js";
export { SAE } from "./sae.js";
export type { SaveOptions } from "./save-coder.js";
export { Transcoder } from "./transcoder.js";
