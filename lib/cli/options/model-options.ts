import { type Command, Option } from "commander";
import { isBundled } from "../../checkpoint/bundled-model.js";
import { HookedTransformer } from "../../model/hooked-transformer.js";
import { note } from "../print/terminal.js";

export interface ModelOptions {
  readonly model: string;
  readonly device: string;
  readonly dtype?: "auto" | "float32" | "bfloat16" | "float16";
}

/** Smaller models load before a line about them could be read. */
const noteFromBytes = 100e6;

export const modelHelp = 'a folder, a name in the Hugging Face cache, or the bundled "tiny"';

/** Adds --model, --device and --dtype. */
export function withModel(command: Command): Command {
  return command
    .option("--model <name>", modelHelp, "tiny")
    .option("--device <name>", "cpu, cuda or cuda:N", "cpu")
    .addOption(
      new Option(
        "--dtype <name>",
        "dtype of the weights (default: the file's; float32 for tiny)",
      ).choices(["auto", "float32", "bfloat16", "float16"]),
    );
}

export function loadModel({ model, device, dtype }: ModelOptions): Promise<HookedTransformer> {
  return HookedTransformer.fromPretrained(model, {
    device,
    // The bundled coders are trained on float32 activations of the bundled bfloat16 weights.
    dtype: dtype ?? (isBundled(model) ? "float32" : "auto"),
    onProgress: ({ stage, bytes }) => {
      if (stage === "weights" && bytes > noteFromBytes) {
        note(`loading ${model}, ${(bytes / 1e9).toFixed(1)} GB`);
      }
    },
  });
}
