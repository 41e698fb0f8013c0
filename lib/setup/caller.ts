import type { Caller } from "../fetch/caller.js";

/** `gemlens setup` as the errors of fetching name it. */
export const caller: Caller = {
  name: "setup",
  moreRoom: "set GEMLENS_CACHE to a larger disk",
  insteadOfFetch: "install pip",
};
