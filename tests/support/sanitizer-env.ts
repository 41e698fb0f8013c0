// scripts/test-sanitizers.mjs sets these variables.
const names = [
  "LD_PRELOAD",
  "ASAN_OPTIONS",
  "UBSAN_OPTIONS",
  "GEMLENS_UBSAN_REPORT",
  "GEMLENS_ALLOCATOR",
];
const options = process.env["ASAN_OPTIONS"];

/** Variables that a process with its own environment needs; empty except under the sanitizers. */
export function sanitizerEnv(): Record<string, string> {
  if (options === undefined) return {};
  const set = names.map((name) => [name, process.env[name]]).filter(([, value]) => value);
  return Object.fromEntries(set) as Record<string, string>;
}

/**
 * Additional bytes that a process may hold. AddressSanitizer keeps freed memory for a while, with
 * records of all of it. 0 without it.
 */
export const quarantine =
  2 * 2 ** 20 * Number(/quarantine_size_mb=(\d+)/.exec(options ?? "")?.[1] ?? 0);
