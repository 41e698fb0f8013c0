// scripts/test-sanitizers.mjs sets these.
const names = [
  "LD_PRELOAD",
  "ASAN_OPTIONS",
  "UBSAN_OPTIONS",
  "GEMLENS_UBSAN_REPORT",
  "GEMLENS_ALLOCATOR",
];

/** What a process needs that is given an environment of its own; empty but under the sanitizers. */
export function sanitizerEnv(): Record<string, string> {
  if (process.env["ASAN_OPTIONS"] === undefined) return {};
  const set = names.map((name) => [name, process.env[name]]).filter(([, value]) => value);
  return Object.fromEntries(set) as Record<string, string>;
}
