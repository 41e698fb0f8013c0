import { Random } from "../support/random.js";
import { mutateBytes } from "./mutate-bytes.js";
import { mutateJson } from "./mutate-json.js";
import { mutateSafetensors } from "./mutate-safetensors.js";
import { mutateTemplate, mutateTemplateIn } from "./mutate-template.js";
import { mutateZip } from "./mutate-zip.js";
import { type Format, type Sample, samplesOf } from "./samples.js";

/** One changed folder; the same for the same format, seed and index. */
export interface Input {
  readonly sample: Sample;
  /** Only the changed files. */
  readonly changed: Readonly<Record<string, Buffer>>;
  /** Whether the weights are loaded too, which is slower than reading headers. */
  readonly native: boolean;
}

function change(name: string, sound: boolean, bytes: Buffer, random: Random): Buffer {
  if (name.endsWith(".safetensors")) return mutateSafetensors(bytes, random);
  if (name.endsWith(".npz")) return mutateZip(bytes, random);
  if (name.endsWith(".npy")) return random.pick([mutateZip, mutateBytes])(bytes, random);
  if (name.endsWith(".jinja")) return mutateTemplate(bytes, random);
  const templates = name === "tokenizer_config.json" && sound && random.chance(0.3);
  return templates ? mutateTemplateIn(bytes, random) : mutateJson(bytes, random);
}

/** Makes inputs of one format from its valid files. */
export function inputsOf(
  format: Format,
  seed: number,
  nativeShare: number,
): (index: number) => Input {
  const samples = samplesOf(format);
  return (index) => {
    const random = new Random(`${format}:${seed}:${index}`);
    const sample = random.pick(samples);
    const changed: Record<string, Buffer> = {};
    for (let n = random.chance(0.1) ? 2 : 1; n > 0; n--) {
      const name = random.pick(sample.targets);
      const before = changed[name];
      const bytes = before ?? (sample.files[name] as Buffer);
      changed[name] = change(name, before === undefined, bytes, random);
    }
    return { sample, changed, native: random.chance(nativeShare) };
  };
}
