import { z } from "zod";
import { show } from "../errors/show-value.js";
import { hookPoints, modelNameOf } from "./gemma-scope-2-config.js";
import { refuse, refuseInvalid, unsupported } from "./refuse.js";

const schema = z.looseObject({
  hf_hook_point_in: z.string(),
  hf_hook_point_out: z.string().nullish(),
  architecture: z.string(),
  type: z.enum(["clt", "crosscoder"]),
  model_name: z.string().nullish(),
  width: z.int().min(1).nullish(),
  l0: z.number().min(0).nullish(),
  affine_connection: z.boolean().nullish(),
});

// gemma-3-27b has 62 layers.
const maxLayers = 1000;

/** Hooks at the same point of several blocks. */
export interface LayerHooks {
  /** The blocks, ascending; "all" if they are all of the model's, whose number the files have. */
  readonly layers: readonly number[] | "all";
  /** After `blocks.L.` */
  readonly point: string;
}

/** The values of the config.json of a Gemma Scope 2 crosscoder or cross-layer transcoder. */
export interface MultiLayerConfig {
  readonly kind: "clt" | "crosscoder";
  readonly reads: LayerHooks;
  readonly writes: LayerHooks;
  /** Number of features of all encoders together, if it says so. */
  readonly dSae: number | null;
  /** Whether there are affine skips; null if it does not say. */
  readonly affine: boolean | null;
  readonly l0: number | undefined;
  readonly modelName: string | undefined;
}

/**
 * Checks the config.json of a Gemma Scope 2 coder of several layers.
 *
 * @throws CHECKPOINT if a value is wrong; UNSUPPORTED if the architecture or a hook point is another;
 *   both name the key
 */
export function parseMultiLayerConfig(json: unknown, file: string): MultiLayerConfig {
  const parsed = schema.safeParse(json);
  if (!parsed.success) return refuseInvalid(file, parsed.error, "config");
  const { data } = parsed;
  if (data.architecture !== "jump_relu") {
    unsupported(file, "architecture", '"jump_relu"', show(data.architecture));
  }
  const reads = readHooks(data.hf_hook_point_in, "hf_hook_point_in", file);
  const given = data.hf_hook_point_out;
  const writes = given ? readHooks(given, "hf_hook_point_out", file) : reads;
  if (show(writes.layers) !== show(reads.layers)) {
    refuse(file, "hf_hook_point_out", `the layers of ${data.hf_hook_point_in}`, show(given));
  }
  const transcodes = writes.point !== reads.point;
  if (transcodes !== (data.type === "clt")) {
    const want = transcodes ? "clt (its hooks differ)" : "crosscoder (it reads what it writes)";
    refuse(file, "type", want, data.type);
  }
  return {
    kind: data.type,
    reads,
    writes,
    dSae: data.width ?? null,
    affine: data.affine_connection ?? null,
    l0: data.l0 ?? undefined,
    modelName: data.model_name ? modelNameOf(data.model_name) : undefined,
  };
}

/** `model.layers.{5,9,12,15}.output`, `model.layers.{all}.pre_feedforward_layernorm.output`. */
function readHooks(published: string, key: string, file: string): LayerHooks {
  const [, list, module = ""] = /(?:^|\.)layers\.\{([\d, ]+|all)\}\.(.+)$/.exec(published) ?? [];
  const point = Object.hasOwn(hookPoints, module) ? hookPoints[module]?.hook : undefined;
  if (list === undefined || point === undefined) {
    return unsupported(file, key, "model.layers.{…}. and one of Gemma Scope 2's sites", published);
  }
  if (list === "all") return { layers: "all", point };
  const layers = list.split(",").map((text) => (text.trim() === "" ? -1 : Number(text)));
  const ascend = layers.every((layer, i) => layer < maxLayers && layer > (layers[i - 1] ?? -1));
  if (!ascend) refuse(file, key, `layers below ${maxLayers} that ascend`, published);
  return { layers, point };
}
