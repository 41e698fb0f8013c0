import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { printable } from "../errors/show-value.js";
import { downloadFolders, snapshotsFolder } from "../hub/cache-layout.js";
import { isPresent } from "./other-format.js";

const remedy =
  "convert it in Python: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(out)";

/** Patterns of files with weights in an unsupported format, each with its description and remedy. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^pytorch_model.*\.bin(?:\.index\.json)?$/, `PyTorch's pickles; ${remedy}`],
  [/\.gguf$/, "llama.cpp's format; get the safetensors files of the same model"],
  [
    /^consolidated.*\.(?:pth|safetensors)$/,
    "the original release's format; get the Hugging Face files",
  ],
  [/\.(?:pth|pt|ckpt|bin)$/, `a checkpoint in pickles; ${remedy}`],
  [/\.(?:h5|msgpack)$/, `TensorFlow's or Flax's format; ${remedy} with from_tf or from_flax`],
  [/\.(?:zip|tar|tgz|tar\.gz|7z)$/, "an archive; unpack it first"],
  [/\.(?:onnx|tflite|task|sbs|mlpackage)$/, "another runtime's format; get the safetensors files"],
];

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** The name of an unfinished download in the folder or in its caches. */
function unfinished(dir: string): string | undefined {
  return [dir, ...downloadFolders(dir)]
    .flatMap(entries)
    .find((name) => /\.(?:incomplete|part|crdownload|aria2)$/.test(name));
}

/** Refuses the folder of an adapter: without weights it is not a model, and with weights it would be ignored. */
export function refuseAdapter(dir: string): void {
  const names = entries(dir);
  const adapter = names.find((name) => /^adapter_(?:config\.json|model\.)/.test(name));
  if (adapter === undefined) return;
  throw new GemlensError(
    "UNSUPPORTED",
    sentence(
      dir,
      "a model folder",
      null,
      `a LoRA adapter (${adapter})${baseOf(dir)}`,
      ": merge it in Python with PeftModel.from_pretrained(base, folder).merge_and_unload().save_pretrained(out), then load that folder",
    ),
    { file: join(dir, adapter) },
  );
}

function baseOf(dir: string): string {
  try {
    const text = readFileSync(join(dir, "adapter_config.json"), "utf8");
    const base = (JSON.parse(text) as Record<string, unknown>)["base_model_name_or_path"];
    return typeof base === "string" ? ` of ${printable(base, 80)}` : "";
  } catch {
    return "";
  }
}

/** Refuses a folder without supported weights, and describes its contents. */
export function refuseWeightless(dir: string): never {
  const names = entries(dir).sort();
  const expected = "model.safetensors or model.safetensors.index.json";
  const fail = (code: "NOT_FOUND" | "UNSUPPORTED", got: string): never => {
    throw new GemlensError(code, sentence(dir, expected, null, got), { file: dir });
  };
  const part = unfinished(dir);
  if (part !== undefined) {
    fail(
      "NOT_FOUND",
      `a download that is not complete (${printable(part, 80)}): run hf download again`,
    );
  }
  const shards = names.filter((name) => /^model-\d+-of-\d+\.safetensors$/.test(name));
  if (shards.length > 0) {
    fail(
      "NOT_FOUND",
      `${shards.length} shards without the index that lists them: download model.safetensors.index.json`,
    );
  }
  const single = names.find((name) => /^(?!consolidated).*\.safetensors$/.test(name));
  if (single !== undefined) {
    fail(
      "NOT_FOUND",
      `${printable(single, 80)}: rename it to model.safetensors if it holds the whole model`,
    );
  }
  for (const [pattern, description] of others) {
    const found = names.find((name) => pattern.test(name));
    if (found !== undefined) fail("UNSUPPORTED", `${printable(found, 80)}: ${description}`);
  }
  return fail("NOT_FOUND", "neither");
}

/** Refuses a folder without config.json, and suggests where the model may be. */
export function refuseConfigless(dir: string): never {
  const names = entries(dir);
  const inside = names.find((name) => existsSync(join(dir, name, "config.json")));
  const cached = isPresent(snapshotsFolder(dir));
  const hint = cached
    ? " (a repository of the Hugging Face cache: give snapshots/<commit> in it, or the model's name)"
    : inside !== undefined
      ? ` (did you mean ${printable(join(dir, inside), 120)}?)`
      : "";
  throw new GemlensError(
    "NOT_FOUND",
    sentence(join(dir, "config.json"), "a readable file", null, "none", hint),
    { file: join(dir, "config.json") },
  );
}
