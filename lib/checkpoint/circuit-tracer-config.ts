import { basename } from "node:path";
import { z } from "zod";
import { show } from "../errors/show-value.js";
import { refuse, refuseInvalid, unsupported } from "./refuse.js";
import { readStrictYaml } from "./yaml-config.js";

const maxPaths = 1000;

const schema = z.looseObject({
  model_kind: z.string(),
  feature_input_hook: z.string(),
  feature_output_hook: z.string(),
  model_name: z.string().nullish(),
  transcoders: z.array(z.string()).max(maxPaths).nullish(),
});

/** A file of a repository, as circuit-tracer's `hf://owner/name/path?revision=…` names it. */
export interface HubFile {
  /** `owner/name` */
  readonly repo: string;
  /** The file's path in the repository. */
  readonly path: string;
  /** A branch, tag or commit. */
  readonly revision: string | undefined;
}

/** The values of a circuit-tracer config.yaml. */
export interface CircuitTracerConfig {
  /** One coder of all layers, or one transcoder for each layer. */
  readonly kind: "clt" | "transcoders";
  /** The point that each layer reads, after `blocks.L.` */
  readonly readPoint: string;
  /** The point that each layer writes, after `blocks.L.` */
  readonly writePoint: string;
  /** The model without its owner. */
  readonly modelName: string | undefined;
  /** The files, layer by layer, if it lists them; else they lie beside it. */
  readonly files: readonly (HubFile | string)[] | undefined;
}

// The tensors that the published sets read and write.
const readPoints = ["hook_resid_mid", "ln2.hook_normalized", "mlp.hook_in"];
const writePoints = ["hook_mlp_out"];

const kinds: Readonly<Record<string, CircuitTracerConfig["kind"]>> = {
  cross_layer_transcoder: "clt",
  transcoder_set: "transcoders",
};

/**
 * Reads and checks a config.yaml of circuit-tracer's format.
 *
 * @throws NOT_FOUND if there is no such file
 * @throws CHECKPOINT if a value is wrong, or a path leaves its folder or repository
 * @throws UNSUPPORTED if the kind or a hook is another; both name the key
 */
export function readCircuitTracerConfig(file: string): CircuitTracerConfig {
  const parsed = schema.safeParse(readStrictYaml(file));
  if (!parsed.success) return refuseInvalid(file, parsed.error, "config");
  const { data } = parsed;
  const kind = Object.hasOwn(kinds, data.model_kind) ? kinds[data.model_kind] : undefined;
  if (kind === undefined) {
    unsupported(file, "model_kind", Object.keys(kinds).join(" or "), show(data.model_kind));
  }
  const known = (key: "feature_input_hook" | "feature_output_hook", points: string[]) => {
    if (!points.includes(data[key])) unsupported(file, key, points.join(" or "), show(data[key]));
    return data[key];
  };
  return {
    kind,
    readPoint: known("feature_input_hook", readPoints),
    writePoint: known("feature_output_hook", writePoints),
    modelName: data.model_name ? basename(data.model_name) : undefined,
    files: data.transcoders?.map((path, i) => readPath(path, `transcoders.${i}`, file)),
  };
}

function readPath(path: string, key: string, file: string): HubFile | string {
  const isSafe = (inside: string) =>
    inside !== "" &&
    !/[\\\0]/.test(inside) &&
    !inside.split("/").some((part) => /^\.*$/.test(part));
  if (!path.startsWith("hf://")) {
    // A path beside config.yaml. An absolute one begins with an empty part.
    return isSafe(path) ? path : refuse(file, key, "a path inside the folder", show(path));
  }
  const [, repo = "", inside = "", revision] =
    /^hf:\/\/([\w.-]+\/[\w.-]+)\/([^?#]+)(?:\?revision=([\w./-]+))?$/.exec(path) ?? [];
  if (!isSafe(repo) || !isSafe(inside) || (revision !== undefined && !isSafe(revision))) {
    refuse(file, key, "hf://owner/name/path", show(path));
  }
  return { repo, path: inside, revision };
}
