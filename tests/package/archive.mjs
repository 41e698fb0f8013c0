// A libtorch archive laid out like PyTorch's. It has the real libraries from the cache folder and
// the two headers that identify a libtorch. It is not compressed, to save time.
import { createReadStream, createWriteStream, existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Zip, ZipPassThrough } from "fflate";

const headers = ["include/ATen/core/Tensor.h", "include/torch/headeronly/version.h"];

/** [path, name in the archive] of every file. */
function contents(torch) {
  const libraries = readdirSync(join(torch, "lib")).map((name) => `lib/${name}`);
  const own = [...headers, ...libraries].map((name) => [join(torch, name), `libtorch/${name}`]);
  // A CUDA build's libtorch_cpu also needs libraries in site-packages, outside of torch.
  const nvidia = join(dirname(torch), "nvidia");
  if (!existsSync(nvidia)) return own;
  const others = readdirSync(nvidia, { recursive: true }).filter((name) => /\.so\.\d+$/.test(name));
  return [...own, ...others.map((name) => [join(nvidia, name), `nvidia/${name}`])];
}

/** Writes the archive of the libtorch folder `torch` to `path`. */
export async function makeArchive(torch, path) {
  const out = createWriteStream(path);
  const zip = new Zip((error, data) => {
    if (error) out.destroy(error);
    else out.write(data);
  });
  for (const [file, name] of contents(torch)) {
    const entry = new ZipPassThrough(name);
    zip.add(entry);
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 22 })) {
      entry.push(chunk);
      if (out.writableNeedDrain) await new Promise((resolve) => out.once("drain", resolve));
    }
    entry.push(new Uint8Array(0), true);
  }
  zip.end();
  await new Promise((resolve, reject) => out.end(resolve).on("error", reject));
}
