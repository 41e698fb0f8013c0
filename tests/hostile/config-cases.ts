import {
  coder2,
  config,
  type HostileCase,
  model,
  openCoder,
  openModel,
  pipe,
  put,
  weights,
} from "./case.js";

const file = "config.json";

const modelCase = (name: string, text: string | Buffer, field: string): HostileCase => ({
  name,
  write: model(put(file, text)),
  open: openModel,
  code: "CHECKPOINT",
  file,
  field,
});

/** One key of a valid config.json with another value, as JSON. */
const key = (name: string, value: string, field = name): HostileCase => {
  const text = config({ [name]: "@" }).replace('"@"', value);
  return modelCase(`${name}: ${value.slice(0, 40)}`, text, field);
};

const generation = (name: string, text: string, field: string): HostileCase => ({
  ...modelCase(`generation_config.json: ${name}`, config({}), field),
  write: model(put("generation_config.json", text)),
  file: "generation_config.json",
});

const scope2 = (name: string, change: string | Record<string, unknown>, field: string) => ({
  name: `a coder's: ${name}`,
  write: coder2(change),
  open: openCoder,
  code: "CHECKPOINT" as const,
  file,
  field,
});

export const configCases: HostileCase[] = [
  // The file.
  modelCase("nothing", "", "JSON"),
  modelCase("a number", "7", "config"),
  modelCase("a megabyte of zeros", Buffer.alloc(1_000_000), "JSON"),
  modelCase("UTF-16", Buffer.from(`\ufeff${config({})}`, "utf16le"), "JSON"),
  modelCase("lists 100,000 deep", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "JSON"),
  modelCase("objects 33 deep", `${'{"a":'.repeat(33)}1${"}".repeat(33)}`, "JSON"),
  modelCase("300,000 lists", `{"a":[${"[],".repeat(300_000)}[]]}`, "JSON"),
  modelCase("half a surrogate pair", config({}).replace("{", '{"a":"\\udfff",'), "JSON"),
  modelCase(
    "__proto__ twice",
    config({}).replace("{", '{"__proto__":1,"__proto__":2,'),
    '"__proto__"',
  ),
  modelCase("hidden_size twice", config({}).replace("{", '{"hidden_size":4,'), '"hidden_size"'),
  { ...modelCase("a named pipe", "", "file"), write: pipe(file) },
  // Its keys.
  key("hidden_size", "1000000001"),
  key("hidden_size", "-8"),
  key("hidden_size", "[8]"),
  key("hidden_size", '{"toString":"8"}'),
  key("vocab_size", "9007199254740993"),
  key("num_attention_heads", "true"),
  key("num_key_value_heads", "0"),
  {
    ...key("head_dim", "1e9", "model.layers.0.self_attn.q_proj.weight"),
    file: weights,
  },
  key("rms_norm_eps", "1e999"),
  key("rms_norm_eps", "NaN", "JSON"),
  key("sliding_window", "-1"),
  key("final_logit_softcapping", "0"),
  key("eos_token_id", "[1,[2]]"),
  key("eos_token_id", `[${"1,".repeat(5000)}1]`),
  key("bos_token_id", "9007199254740993"),
  key("layer_types", `[${'"mamba",'.repeat(4000)}"mamba"]`),
  key("rope_parameters", "[]"),
  key("rope_theta", "-10000"),
  modelCase(
    "text_config: a list",
    '{"model_type":"gemma3","text_config":[]}',
    "text_config.config",
  ),
  modelCase(
    "text_config: null",
    '{"model_type":"gemma3","text_config":null}',
    "text_config.config",
  ),
  generation("a list", "[]", "eos_token_id"),
  generation("5,000 ids", `{"eos_token_id":[${"1,".repeat(5000)}1]}`, "eos_token_id"),
  generation("an id of a hundred digits", `{"eos_token_id":${"9".repeat(100)}}`, "eos_token_id"),
  // Gemma Scope 2.
  scope2("a list", "[]", "config"),
  scope2("null", "null", "config"),
  scope2("truncated", '{"architecture":"jump_relu"', "JSON"),
  scope2("lists 40 deep", `{"architecture":${"[".repeat(40)}${"]".repeat(40)}}`, "JSON"),
  scope2("a hook as a number", { hf_hook_point_in: 2 }, "hf_hook_point_in"),
  scope2("an output hook as a list", { hf_hook_point_out: ["a"] }, "hf_hook_point_out"),
  scope2("a negative width", { width: -1 }, "width"),
  scope2("a width as text", { width: "16k" }, "width"),
  scope2(
    "an infinite l0",
    '{"architecture":"jump_relu","hf_hook_point_in":"layers.2.output","l0":1e999}',
    "l0",
  ),
  scope2("an affine connection as text", { affine_connection: "false" }, "affine_connection"),
  scope2("a type as an object", { type: {} }, "type"),
  scope2(
    "an architecture named after Object.prototype",
    '{"__proto__":{"architecture":"jump_relu"},"hf_hook_point_in":"layers.2.output"}',
    "architecture",
  ),
];
