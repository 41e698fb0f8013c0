import { relative } from "node:path";

/** Shortens a path for messages: relative to the working directory if that is shorter. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short !== "" && short.length < path.length ? short : path;
}
