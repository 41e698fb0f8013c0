/** A reader of expected values, independent of lib/checkpoint/safetensors.ts on purpose. */
import { readFileSync } from "node:fs";

/** A tensor of an expected-values file. bfloat16 is widened. */
export interface Golden {
  readonly shape: number[];
  readonly data: Float32Array | Float64Array | Int32Array | Uint8Array;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/**
 * Reads a small safetensors file except the tensors to skip; independent of the reader under test.
 */
export function readGoldens(
  url: URL,
  { skip = [] }: { readonly skip?: readonly string[] } = {},
): Map<string, Golden> {
  const file = readFileSync(url);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<string, Entry>;
  const goldens = new Map<string, Golden>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === "__metadata__" || skip.includes(name)) continue;
    // The copy aligns every element.
    const bytes = new Uint8Array(file.subarray(8 + length + offsets[0], 8 + length + offsets[1]));
    goldens.set(name, { shape, data: decode(dtype, bytes.buffer) });
  }
  return goldens;
}

function decode(dtype: string, buffer: ArrayBuffer): Golden["data"] {
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer);
    case "F64":
      return new Float64Array(buffer);
    case "I32":
      return new Int32Array(buffer);
    case "I64":
      return Int32Array.from(new BigInt64Array(buffer), Number);
    case "U8":
    case "BOOL":
      return new Uint8Array(buffer);
    case "BF16": {
      const wide = Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16);
      return new Float32Array(wide.buffer);
    }
    default:
      throw new Error(`unexpected dtype ${dtype}`);
  }
}

/** The named tensor; a missing one fails the test. */
export function need(goldens: ReadonlyMap<string, Golden>, name: string): Golden {
  const golden = goldens.get(name);
  if (golden === undefined) throw new Error(`no golden ${name}; there are ${[...goldens.keys()]}`);
  return golden;
}
