import { resolve } from "node:path";
import type { Caller } from "../fetch/caller.js";
import { expandHome, hubCache } from "./cache-layout.js";
import { hubEnvironment } from "./environment.js";
import type { HubReadOptions } from "./hub-options.js";
import { hubToken } from "./token.js";

/** Everything that holds for one call: where the hub and the cache are, and who asks. */
export interface HubSession {
  /** Opens each message. */
  readonly caller: string;
  /** As `lib/fetch` names it. */
  readonly fetcher: Caller;
  readonly cache: string;
  readonly endpoint: string;
  /** The only place that the token is sent to. */
  readonly origin: string;
  readonly token: string | undefined;
  readonly offline: boolean;
  readonly xet: boolean;
  readonly symlinks: boolean;
  readonly etagTimeoutMs: number;
  readonly downloadTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** @throws ARGUMENT if the environment or the token is invalid */
export function openSession(caller: string, options: HubReadOptions): HubSession {
  const environment = hubEnvironment(caller);
  const { cacheDir, signal } = options;
  signal?.throwIfAborted();
  const offline = options.offline ?? environment.offline;
  const session: HubSession = {
    ...environment,
    caller,
    fetcher: { name: caller, moreRoom: "set HF_HOME to a larger disk" },
    cache: cacheDir === undefined ? hubCache() : resolve(expandHome(cacheDir)),
    origin: new URL(environment.endpoint).origin,
    token: offline ? undefined : hubToken(caller, options.token, environment.implicitToken),
    offline,
    signal,
  };
  // A session that is printed, by mistake or for debugging, shows no token.
  return Object.defineProperty(session, "token", { enumerable: false });
}
