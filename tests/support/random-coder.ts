import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { SAE, type SingleSiteCoder, Transcoder } from "../../lib/index.js";
import { device } from "./compare.js";
import { Random } from "./random.js";

/**
 * A coder with the same shape, biases, thresholds and direction norms, but random directions. It is
 * written in the published format and loaded again.
 */
export async function randomCoderLike(
  coder: SingleSiteCoder,
  seed: number,
): Promise<SingleSiteCoder> {
  const { hookName, hookNameOut } = coder.cfg;
  const folder = mkdtempSync(join(tmpdir(), "gemlens-random-"));
  try {
    const arrays = {
      W_enc: await turned(coder, "W_enc", 0, seed),
      W_dec: await turned(coder, "W_dec", 1, seed + 1),
      b_enc: await npy(coder.b_enc.shape, await coder.b_enc.read("float32")),
      b_dec: await npy(coder.b_dec.shape, await coder.b_dec.read("float32")),
      threshold: await npy(coder.threshold.shape, await coder.threshold.read("float32")),
    };
    const files = Object.entries(arrays).map(([name, bytes]) => [`${name}.npy`, bytes]);
    const path = join(folder, "params.npz");
    writeFileSync(path, zipSync(Object.fromEntries(files), { level: 0 }));
    return coder instanceof Transcoder
      ? await Transcoder.fromFile(path, { device, hookName, hookNameOut })
      : await SAE.fromFile(path, { device, hookName });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Random directions along `axis`, with the norms of the coder's. */
async function turned(coder: SingleSiteCoder, name: "W_enc" | "W_dec", axis: 0 | 1, seed: number) {
  const { shape } = coder[name];
  const [rows, columns] = shape as [number, number];
  const own = await coder[name].read("float32");
  const random = Float32Array.from(new Random(seed).normals(own.length));
  const lengths = (data: Float32Array) => {
    const squares = new Float64Array(axis === 0 ? columns : rows);
    for (const [i, x] of data.entries()) {
      const at = axis === 0 ? i % columns : Math.floor(i / columns);
      squares[at] = (squares[at] as number) + x * x;
    }
    return squares.map(Math.sqrt);
  };
  const [want, have] = [lengths(own), lengths(random)];
  const scaled = random.map((x, i) => {
    const at = axis === 0 ? i % columns : Math.floor(i / columns);
    return (x * (want[at] as number)) / (have[at] as number);
  });
  return npy(shape, scaled);
}

/** NumPy's format, version 1.0. */
function npy(shape: readonly number[], data: Float32Array): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tuple}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + length, " ");
  header.set([0x93, ...Buffer.from("NUMPY"), 1, 0]);
  header.writeUInt16LE(length, 8);
  header.write(text, 10, "latin1");
  header[9 + length] = 0x0a;
  return new Uint8Array(Buffer.concat([header, new Uint8Array(data.buffer)]));
}
