import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Addon } from "./addon.js";
import { packageRoot } from "./package-root.js";

// `keyof Addon` at run time; the compiler rejects an extra and a missing name.
const exported: Readonly<Record<keyof Addon, true>> = {
  info: true,
  memory: true,
  releaseMemory: true,
  shutDown: true,
  cudaProbe: true,
  hookPoints: true,
  dispose: true,
  isAlive: true,
  abort: true,
  hookSettle: true,
  tensorEmpty: true,
  tensorFrom: true,
  tensorShape: true,
  tensorDtype: true,
  tensorDevice: true,
  tensorIsContiguous: true,
  tensorData: true,
  tensorRead: true,
  tensorReadSync: true,
  tensorUnshare: true,
  tensorFreeze: true,
  ops: true,
  coderLoad: true,
  coderParameter: true,
  coderDecoderRow: true,
  coderEncode: true,
  coderDecode: true,
  coderForward: true,
  coderApplyEdit: true,
  coderDots: true,
  featuresRead: true,
  featuresReadSync: true,
  featuresToDense: true,
  featuresEdit: true,
  featuresSlice: true,
  gradMode: true,
  gradTrack: true,
  gradOf: true,
  modelLoad: true,
  modelInfo: true,
  modelParameter: true,
  editsCreate: true,
  modelRun: true,
  modelGradients: true,
  logitsReadout: true,
  modelReadout: true,
  modelCompare: true,
  rebuiltStatistics: true,
  residualParts: true,
  patchEstimates: true,
  modelEmbed: true,
  modelFinalNorm: true,
  modelUnembed: true,
  kvCacheCreate: true,
  kvCacheLength: true,
  drain: true,
};

/** gemlens' own version, from package.json. */
export function packageVersion(): string {
  const manifest = join(packageRoot, "package.json");
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}

/**
 * Why a loaded core does not fit this JavaScript; undefined if it does. A checkout, or the folder of
 * GEMLENS_ADDON, may have a core of another version.
 */
export function coreProblem(core: Partial<Addon>): string | undefined {
  const lacking = Object.keys(exported).filter((name) => !(name in core));
  if (lacking.length > 0)
    return `the core is of another version of gemlens: it lacks ${lacking.join(", ")}`;
  const expected = packageVersion();
  const { version } = (core as Addon).info();
  if (version === expected) return undefined;
  return `the core is of gemlens ${version ?? "unknown"}, and this is ${expected}`;
}
