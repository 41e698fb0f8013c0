export { activationPatching } from "./activation-patching.js";
export { type AttributeOptions, type AttributionMethod, attribute } from "./attribute.js";
export { attributionPatching } from "./attribution-patching.js";
export type { Attribution, Attributions, Completeness } from "./attributions.js";
export type { AnyCache } from "./cache-rows.js";
export { type Component, type DecomposeBy, decompositionNames } from "./components.js";
export type { Corpus, CorpusOptions } from "./corpus.js";
export { type DecomposeOptions, decomposeResidual, type ResidualParts } from "./decompose.js";
export {
  type DirectLogitEffect,
  type DirectLogitOptions,
  type DirectLogitTarget,
  directLogitAttribution,
} from "./direct-logit-attribution.js";
export {
  type AgainstAblation,
  type CoderEvaluation,
  type EvaluateOptions,
  evaluateCoder,
} from "./evaluate-coder.js";
export { type FeatureMeansOptions, featureMeans } from "./feature-means.js";
export { type LensEntry, type LogitLensOptions, logitLens } from "./logit-lens.js";
export { PatchingGrid, type PatchPlace, type PatchResult } from "./patching-grid.js";
export type { PatchingOptions } from "./patching-pair.js";
export type { PatchingOver, PatchPoint } from "./patching-plan.js";
export { type Readout, type ReadoutOptions, readout } from "./readout.js";
export type { AttributionTarget } from "./target-values.js";
export type { RankedToken, TokenScore, TokenTarget } from "./token-scores.js";
export { type TopToken, type TopTokensOptions, topTokens } from "./top-tokens.js";
