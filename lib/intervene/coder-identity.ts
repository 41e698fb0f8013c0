import { createHash } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Coder } from "../coder/coder.js";
import { GemlensError } from "../errors/index.js";
import type { CoderJson } from "./json-form.js";

/** How to name a coder elsewhere: its release and id if published, else its hook and file. */
export async function identityOf(what: string, coder: Coder): Promise<CoderJson> {
  const { release, saeId, hookName } = coder.cfg;
  if (release !== undefined && saeId !== undefined) return { release, id: saeId };
  return { hook: hookName, sha256: await digestOf(what, coder) };
}

/** The coder among `coders` that `wanted` names; undefined where none is. */
export async function findCoder(
  what: string,
  wanted: CoderJson,
  coders: readonly Coder[],
): Promise<Coder | undefined> {
  if ("release" in wanted) {
    return coders.find(({ cfg }) => cfg.release === wanted.release && cfg.saeId === wanted.id);
  }
  for (const coder of coders) {
    if (coder.cfg.hookName !== wanted.hook) continue;
    if ((await digestOf(what, coder)) === wanted.sha256) return coder;
  }
  return undefined;
}

const digests = new WeakMap<Coder, Promise<string>>();

/** SHA-256 of a coder's parameters file, read once for each coder. */
function digestOf(what: string, coder: Coder): Promise<string> {
  const known = digests.get(coder);
  if (known !== undefined) return known;
  const digest = readDigest(what, coder.cfg.path);
  digests.set(coder, digest);
  digest.catch(() => digests.delete(coder));
  return digest;
}

async function readDigest(what: string, path: string): Promise<string> {
  try {
    const hash = createHash("sha256");
    await pipeline(createReadStream(paramsFile(path)), hash);
    return hash.digest("hex");
  } catch (error) {
    const got = (error as Error).message;
    const message = `${what}: expected the coder's file at ${path}, got ${got}`;
    throw new GemlensError("NOT_FOUND", message, { file: path }, error);
  }
}

function paramsFile(path: string): string {
  if (!statSync(path).isDirectory()) return path;
  const names = ["params.npz", "params.safetensors", "sae_weights.safetensors"];
  const files = names.map((name) => join(path, name));
  return files.find((file) => existsSync(file)) ?? path;
}
