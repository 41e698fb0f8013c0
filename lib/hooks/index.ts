export { ActivationCache } from "./activation-cache.js";
export {
  type CheckedHooks,
  type Hook,
  type HookFunction,
  type HookPointInfo,
  type HookResult,
  hook,
} from "./hook.js";
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
} from "./names.js";
