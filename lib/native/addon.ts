/**
 * The whole typed surface of the native core, and the only description of it: what `loadAddon()`
 * returns. Each subject is a file; this one is the door that other folders take. Handles are opaque; a wrong, stale or foreign one is refused by kind, never dereferenced.
 *
 * Conventions
 * - Functions that return a promise run on the executor thread of the handle's device; the others run
 *   on the calling thread with one OpenMP thread.
 * - Inputs are retained at the call: disposing a handle right afterwards is safe.
 * - `ctx` is where a task comes from: the id of the hook call it was submitted in (0 outside hooks;
 *   such a task runs nested while that hook is awaited), and an id of the caller's choice by which
 *   `abort` finds it (0: cannot be aborted).
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
