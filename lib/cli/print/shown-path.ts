import { relative } from "node:path";

/** A path as remarks name it: from the working directory if that is shorter. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short !== "" && short.length < path.length ? short : path;
}
