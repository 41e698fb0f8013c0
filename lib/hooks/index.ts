export { ActivationCache } from "./activation-cache.js";
export { type Hook, type HookFunction, type HookPointInfo, type HookResult, hook } from "./hook.js";
export type {
  AxesOf,
  CacheKey,
  CacheShortName,
  CanonicalHookName,
  CheckedKey,
  CheckedName,
  HookName,
  NameOfKey,
} from "./names.js";
