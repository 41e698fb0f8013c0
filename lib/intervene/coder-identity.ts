import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type Coder, coderFiles } from "../coder/coder.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { CoderJson } from "./json-form.js";

/** A coder's portable identity: release and id if it is published, else its hook and file hash. */
export async function identityOf(caller: string, coder: Coder): Promise<CoderJson> {
  const { release, saeId } = coder.cfg;
  if (release !== undefined && saeId !== undefined) return { release, id: saeId };
  return { hook: hookOf(coder), sha256: await digestOf(caller, coder) };
}

/** Finds the coder that `wanted` identifies; undefined if it is not among `coders`. */
export async function findCoder(
  caller: string,
  wanted: CoderJson,
  coders: readonly Coder[],
): Promise<Coder | undefined> {
  if ("release" in wanted) {
    return coders.find(({ cfg }) => cfg.release === wanted.release && cfg.saeId === wanted.id);
  }
  for (const coder of coders) {
    if (hookOf(coder) !== wanted.hook) continue;
    if ((await digestOf(caller, coder)) === wanted.sha256) return coder;
  }
  return undefined;
}

const digests = new WeakMap<Coder, Promise<string>>();

/** The first hook that a coder reads. */
function hookOf({ cfg }: Coder): string {
  return cfg.reads[0]?.hookName ?? "";
}

/** SHA-256 over a coder's parameter files in order, computed once for each coder. */
function digestOf(caller: string, coder: Coder): Promise<string> {
  const known = digests.get(coder);
  if (known !== undefined) return known;
  const digest = hashFiles(caller, coderFiles(coder));
  digests.set(coder, digest);
  digest.catch(() => digests.delete(coder));
  return digest;
}

async function hashFiles(caller: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    try {
      for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    } catch (error) {
      const got = (error as Error).message;
      const message = sentence(caller, `the coder's file at ${file}`, null, got);
      throw new GemlensError("NOT_FOUND", message, { file }, error);
    }
  }
  return hash.digest("hex");
}
