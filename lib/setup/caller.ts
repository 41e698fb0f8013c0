import type { Caller } from "../fetch/caller.js";

/** How errors name `gemlens setup` while it fetches libtorch. */
export const caller: Caller = {
  name: "setup",
  moreRoom: "set GEMLENS_CACHE to a larger disk",
  insteadOfFetch: "install pip",
};
