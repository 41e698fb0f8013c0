import { join } from "node:path";
import { parseModelConfig } from "../../lib/index.js";
import { f4, npy as npyOf } from "../checkpoint/zip.js";
import { archive, npy } from "../fuzz/tiny-files.js";
import {
  type HostileCase,
  headed,
  model,
  openArchive,
  openModel,
  openWeights,
  params,
  put,
  config as soundConfig,
  weights,
} from "./case.js";

// Findings of tests/fuzz/main.ts, reduced by hand; the tokenizer's findings are in the file of that
// format. Each of these once gave a message that forged lines, had megabytes, lacked a name, or was
// an error of JavaScript's own.

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

/** A valid config.json with one number that float32 cannot hold. */
const scalar = (key: string, value: string, field = key): HostileCase => ({
  ...config(`${key}: ${value}`, soundConfig({ [key]: "@" }).replace('"@"', value)),
  field,
});

const zeros = Buffer.alloc(96);

const deep = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = { a: value };
  return value;
};

export const foundCases: HostileCase[] = [
  found("a name that clears the screen", headed('{"\\u001b[2J\\nok":1}'), "\\u001b[2J\\u000aok"),
  found("a name that reverses the writing direction", headed('{"a\\u202e":1}'), "a\\u202e"),
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
  // Values that Python parses differently, or rejects.
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
    ...found("a member whose name continues after a NUL", Buffer.alloc(0), '"a\\u0000.npy"'),
    write: put(params, archive([{ name: "a\0.npy", content: npy([1]), deflate: false }])),
    open: openArchive,
    file: params,
  },
  config("a control character instead of a key", '{"a":1,\u0007}'),
  config("a line end inside a text", '{"a":"\n"}'),
  // Valid numbers that float32 turns into infinity or 0: they gave INTERNAL, or NaN logits.
  scalar("rms_norm_eps", "1e39"),
  scalar("rms_norm_eps", "1e-60"),
  scalar("query_pre_attn_scalar", "1e300"),
  scalar("query_pre_attn_scalar", "5e-324"),
  scalar("attn_logit_softcapping", "1e308"),
  scalar("final_logit_softcapping", "1e308"),
  scalar("final_logit_softcapping", "1e-60"),
  scalar("rope_theta", "1e308"),
  scalar("rope_local_base_freq", "3.5e38"),
  scalar("rope_parameters", '{"rope_theta":1e308}', "rope_parameters.rope_theta"),
  scalar("rope_parameters", '{"rope_type":"linear","factor":1e-60}', "rope_parameters.factor"),
  scalar("rope_scaling", '{"rope_type":"linear","factor":1e308}', "rope_scaling.factor"),
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
    ...config("the same value for the rope of all layers", "{}"),
    open: (folder) =>
      parseModelConfig(
        { model_type: "gemma3_text", rope_parameters: { rope_theta: 1, x: deep(1e5) } },
        join(folder, "config.json"),
        "x",
      ),
    field: "rope_parameters",
  },
];
