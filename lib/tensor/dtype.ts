import type { DtypeName } from "../native/addon.js";

/** Bytes per element. */
export const dtypeBytes: Readonly<Record<DtypeName, number>> = {
  float32: 4,
  bfloat16: 2,
  float16: 2,
  float64: 8,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};

export const dtypeNames: ReadonlySet<string> = new Set(Object.keys(dtypeBytes));
