import { join } from "node:path";
import { parseModelConfig } from "../../lib/index.js";
import { archive, npy } from "../../scripts/fuzz/tiny-files.js";
import { f4, npy as npyOf } from "../01-checkpoint-zip.js";
import {
  type HostileCase,
  headed,
  model,
  openArchive,
  openModel,
  openWeights,
  params,
  put,
  weights,
} from "./case.js";

// What scripts/fuzz.ts found, cut down by hand; the format's own file has what concerns tokenizers.
// Each of these once gave a message that forged lines, one of megabytes, one without a name, or an
// error of JavaScript's own.

const found = (name: string, bytes: Buffer, field: string): HostileCase => ({
  name,
  write: put(weights, bytes),
  open: openWeights,
  code: "CHECKPOINT",
  file: weights,
  field,
});

const config = (name: string, text: string): HostileCase => ({
  ...found(name, Buffer.alloc(0), "JSON"),
  write: model(put("config.json", text)),
  open: openModel,
  file: "config.json",
});

const zeros = Buffer.alloc(96);

const deep = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = { a: value };
  return value;
};

export const foundCases: HostileCase[] = [
  found("a name that clears the screen", headed('{"\\u001b[2J\\nok":1}'), "\\u001b[2J\\u000aok"),
  found("a name that turns the writing round", headed('{"a\\u202e":1}'), "a\\u202e"),
  found("a name of a megabyte", headed(`{"${"n".repeat(1e6)}":1}`), `${"n".repeat(197)}...`),
  found("a tensor without a name", headed('{"":1}'), '""'),
  found(
    "a dtype of a megabyte",
    headed(`{"w":{"dtype":"${"d".repeat(1e6)}","shape":[1],"data_offsets":[0,1]}}`),
    "w.dtype",
  ),
  {
    ...found("a member with a control character", Buffer.alloc(0), '"\\u001b[2J"'),
    write: put(params, archive([{ name: "\u001b[2J", content: npy([1]), deflate: false }])),
    open: openArchive,
    file: params,
  },
  // What Python reads otherwise, or does not read.
  ...[
    ["a no-break space in an array's header", "(4,\u00a06)"],
    ["a size with a leading zero", "(04, 6)"],
  ].map(([name = "", shape = ""]) => ({
    ...found(name, Buffer.alloc(0), '"a.npy"'),
    write: put(
      params,
      archive([{ name: "a.npy", content: npyOf(f4(shape), zeros), deflate: false }]),
    ),
    open: openArchive,
    file: params,
  })),
  {
    ...found("a member whose name goes on after a NUL", Buffer.alloc(0), '"a\\u0000.npy"'),
    write: put(params, archive([{ name: "a\0.npy", content: npy([1]), deflate: false }])),
    open: openArchive,
    file: params,
  },
  config("a control character where a key should be", '{"a":1,\u0007}'),
  config("a line end inside a text", '{"a":"\n"}'),
  {
    ...config("an object 100,000 deep, already parsed", "{}"),
    open: (folder) =>
      parseModelConfig(
        { model_type: "gemma2", head_dim: deep(1e5) },
        join(folder, "config.json"),
        "x",
      ),
    field: "head_dim",
  },
  {
    ...config("the same for all layers' rope", "{}"),
    open: (folder) =>
      parseModelConfig(
        { model_type: "gemma3_text", rope_parameters: { rope_theta: 1, x: deep(1e5) } },
        join(folder, "config.json"),
        "x",
      ),
    field: "rope_parameters",
  },
];
