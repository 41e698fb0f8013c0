export { project, type SteerOptions, steer } from "./directions.js";
export { type AblateOptions, ablate, clamp, scale } from "./features.js";
export { Intervention } from "./intervention.js";
export type { CoderJson, InterventionsJson } from "./json-form.js";
export { freeze, type PatchOptions, patch } from "./patch.js";
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
} from "./types.js";
