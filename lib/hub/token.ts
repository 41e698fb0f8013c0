import { readFileSync } from "node:fs";
import { join } from "node:path";
import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { expandHome, hubHome } from "./cache-layout.js";

/**
 * The token to send: the one given, else HF_TOKEN, else the token file. No error shows it.
 *
 * @param implicit whether the environment and the file count; HF_HUB_DISABLE_IMPLICIT_TOKEN says no
 * @throws ARGUMENT if it holds what no header can; DOWNLOAD if the file can't be read
 */
export function hubToken(
  caller: string,
  given: string | false | undefined,
  implicit: boolean,
  env = process.env,
): string | undefined {
  if (given === false) return undefined;
  if (given !== undefined) return clean(caller, "token", given);
  if (!implicit) return undefined;
  const variable = env["HF_TOKEN"] || env["HUGGING_FACE_HUB_TOKEN"];
  if (variable) return clean(caller, "HF_TOKEN", variable);
  const named = env["HF_TOKEN_PATH"];
  const path = named ? expandHome(named) : join(hubHome(env), "token");
  const text = readToken(caller, path, Boolean(named));
  return text === undefined ? undefined : clean(caller, path, text);
}

/** A home that several users share may hold somebody else's token: only a file that was named has to open. */
function readToken(caller: string, path: string, isNamed: boolean): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!isNamed || code === "ENOENT" || code === "ENOTDIR") return undefined;
    const remedy = ": fix its permissions, or set HF_TOKEN";
    const message = sentence(caller, "a readable file", `HF_TOKEN_PATH (${path})`, code, remedy);
    throw new GemlensError("DOWNLOAD", message, { problem: "token", file: path }, error);
  }
}

/** Without the white space that a file ends with; a token that no header can carry is refused unseen. */
function clean(caller: string, source: string, text: unknown): string | undefined {
  if (typeof text !== "string") throw argument(caller, "a string", source, typeof text);
  const token = text.trim();
  if (token === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw argument(caller, "a token of printable ASCII characters", source, "others");
}
