/**
 * The type of the native core, which `loadAddon()` returns. Each subject has a file; other folders
 * import them all from here. Handles are opaque: a wrong, stale or foreign one is refused by kind, never
 * dereferenced.
 *
 * Conventions
 * - Functions that return a promise run on the executor thread of the handle's device; the others run
 *   on the calling thread with one OpenMP thread.
 * - A call retains its inputs, so disposing a handle right afterwards is safe.
 * - `ctx` says where a task comes from. `call` is the id of the hook call that submitted it (0 outside
 *   hooks); such a task runs nested while that hook is awaited. `task` is an id that the caller chooses
 *   for `abort` (0: cannot be aborted).
 * - Errors are plain `Error`s with `code` and `fields`; `call.ts` turns them into the typed classes.
 */

import type { CoderCalls } from "./coder-calls.js";
import type { EnvironmentCalls } from "./environment-calls.js";
import type { FeaturesCalls } from "./features-calls.js";
import type { KvCacheCalls } from "./kv-cache-calls.js";
import type { ModelCalls } from "./model-calls.js";
import type { ReadoutCalls } from "./readout-calls.js";
import type { TensorCalls } from "./tensor-calls.js";

export type * from "./coder-calls.js";
export type * from "./environment-calls.js";
export type * from "./features-calls.js";
export type * from "./handles.js";
export type * from "./model-calls.js";
export type * from "./readout-calls.js";
export type * from "./run-request.js";
export type * from "./tensor-calls.js";
export type * from "./tensor-source.js";

/** Every function of the native core; `core-check.ts` has their names at run time. */
export interface Addon
  extends CoderCalls,
    EnvironmentCalls,
    FeaturesCalls,
    KvCacheCalls,
    ModelCalls,
    ReadoutCalls,
    TensorCalls {}
