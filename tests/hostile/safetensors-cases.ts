import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { safetensors } from "../fuzz/tiny-files.js";
import {
  both,
  coder2,
  coderTensors,
  config,
  type HostileCase,
  headed,
  openCoder,
  openModel,
  openWeights,
  params2,
  pipe,
  put,
  weights,
} from "./case.js";

const index = "model.safetensors.index.json";
const shard = "model-00001-of-00002.safetensors";

const header = (name: string, bytes: Buffer, field: string): HostileCase => ({
  name,
  write: put(weights, bytes),
  open: openWeights,
  code: "CHECKPOINT",
  file: weights,
  field,
});

const entry = (shape: string, offsets: string, dtype = '"U8"'): string =>
  `{"w":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;

/** A folder of a model in shards, with this map of its tensors. */
const indexed = (name: string, map: string, file: string, field: string): HostileCase => ({
  name: `index: ${name}`,
  write: both(put("config.json", config({})), put(index, `{"weight_map":${map}}`)),
  open: openModel,
  code: "CHECKPOINT",
  file,
  field,
});

/** A Gemma Scope 2 folder whose last tensor, the thresholds, ends with these bits. */
const threshold = (what: string, bits: bigint): HostileCase => {
  const bytes = safetensors(coderTensors);
  bytes.writeUInt32LE(Number(bits), bytes.length - 4);
  return {
    ...header(`a coder's threshold that is ${what}`, bytes, "threshold"),
    write: both(coder2({}), put(params2, bytes)),
    open: openCoder,
    file: params2,
  };
};

const many = (count: number, item: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => item(i)).join();

export const safetensorsCases: HostileCase[] = [
  // The length of the header.
  header("a header as long as the whole file", headed("{}", 0, 10n), "header"),
  header("a header of 2^64 - 1 bytes", headed("{}", 0, 2n ** 64n - 1n), "header length"),
  header(
    "a header of 2^64 - 8 bytes, which ends where it begins",
    headed("{}", 0, 2n ** 64n - 8n),
    "header length",
  ),
  header("a header that ends inside the JSON", headed("{}   {", 0, 1n), "JSON"),
  // Its text.
  header("zeros after the JSON", headed("{}\0\0\0\0\0\0"), "JSON"),
  header("a byte order mark", headed("\ufeff{}"), "header"),
  header("half a surrogate pair in a name", headed('{"\\ud83d":1}'), "JSON"),
  header("halves of two surrogate pairs", headed('{"a":"\\ude00\\ud83d"}'), "JSON"),
  header(
    "an escaped backslash before half a surrogate pair",
    headed('{"\\\\ud83d\\ude00":1}'),
    "JSON",
  ),
  header("two million lists in 6 MB", headed(`{"w":[${"[],".repeat(2_000_000)}[]]}`), "JSON"),
  header("a header of 20 MB", headed(`{${" ".repeat(20_000_000)}}`), "header length"),
  header("20,001 tensors", headed(`{${many(20_001, (i) => `"${i}":1`)}}`), "header"),
  header("a repeated tensor, once with an escaped name", headed('{"w":1,"\\u0077":1}'), '"w"'),
  // An entry.
  header(
    "overlapping tensors",
    headed(
      '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},' +
        '"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}',
      6,
    ),
    "b.data_offsets",
  ),
  header("a negative size", headed(entry("[-1]", "[0,1]"), 1), "w.shape.0"),
  header(
    "a shape of 300,000 texts",
    headed(entry(`[${'"",'.repeat(300_000)}""]`, "[0,1]")),
    "w.shape.0",
  ),
  header(
    "a shape as an object with a length",
    headed(entry('{"0":1,"length":1}', "[0,1]")),
    "w.shape",
  ),
  header(
    "a product of 2^64 in eight sizes",
    headed(entry(`[${"256,".repeat(7)}256]`, "[0,0]")),
    "w.shape",
  ),
  header(
    "a size that a double cannot hold",
    headed(entry("[9007199254740993]", "[0,1]")),
    "w.shape.0",
  ),
  header("an infinite offset", headed(entry("[1]", "[0,1e999]")), "w.data_offsets.1"),
  header(
    "offsets that overflow 2^64",
    headed(entry("[8]", "[18446744073709551608,0]")),
    "w.data_offsets.0",
  ),
  header("an empty tensor beyond the data", headed(entry("[0]", "[100,100]")), "w.data_offsets"),
  header("a dtype as a list", headed(entry("[1]", "[0,1]", '["U8"]'), 1), "w.dtype"),
  header("a four-bit dtype", headed(entry("[2]", "[0,1]", '"F4"'), 1), "w.dtype"),
  header(
    "an entry called __proto__ that lacks a shape",
    headed('{"__proto__":{"dtype":"U8"}}'),
    "__proto__.shape",
  ),
  header(
    "an entry that inherits its shape",
    headed('{"w":{"dtype":"U8","__proto__":{"shape":[1]}}}'),
    "w",
  ),
  header(
    "metadata with a number called __proto__",
    headed('{"__metadata__":{"__proto__":1}}'),
    "__metadata__",
  ),
  // Paths that are not files.
  {
    ...header("a named pipe", headed("{}"), "file"),
    write: pipe(weights),
  },
  {
    ...header("an endless device", headed("{}"), "file"),
    write: (folder) => symlinkSync("/dev/zero", join(folder, weights)),
  },
  {
    ...header("a link to itself", headed("{}"), "file"),
    write: (folder) => symlinkSync(weights, join(folder, weights)),
  },
  // An index.
  indexed("a list", "[]", index, "weight_map"),
  indexed("a file name in a list", '{"a":["a.safetensors"]}', index, "weight_map.a"),
  indexed("a path with ..", '{"a":"../../etc/a.safetensors"}', index, "weight_map"),
  indexed("an absolute path", '{"a":"/etc/a.safetensors"}', index, "weight_map"),
  indexed("a tensor called __proto__", `{"__proto__":"${shard}"}`, index, "weight_map"),
  indexed(
    "2,000 shards",
    `{${many(2000, (i) => `"${i}":"${i}.safetensors"`)}}`,
    index,
    "weight_map",
  ),
  indexed("200,000 tensors", `{${many(200_000, (i) => `"${i}":""`)}}`, index, "JSON"),
  indexed(
    "a name of 70,000 letters",
    `{"a":"${"a".repeat(70_000)}.safetensors"}`,
    index,
    "weight_map",
  ),
  {
    ...indexed("a named pipe as a shard", "{}", shard, "file"),
    write: both(
      put("config.json", config({})),
      put(index, `{"weight_map":{"a":"${shard}"}}`),
      pipe(shard),
    ),
  },
  // A coder.
  threshold("a NaN threshold", 0x7fc00000n),
  threshold("infinite", 0xff800000n),
];
