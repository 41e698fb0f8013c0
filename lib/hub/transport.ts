/** One request, without redirects: proxy, time limits, the token for the hub's host alone. */

import type { Dispatcher } from "undici";
import { GemlensError } from "../errors/gemlens-error.js";
import { hubError } from "./hub-error.js";
import type { HubSession } from "./hub-session.js";
import { proxyFor } from "./proxy.js";
import type { CheckedFile } from "./repo-file.js";

export interface Request {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Until the headers of the answer are there. Default: HF_HUB_DOWNLOAD_TIMEOUT. */
  readonly timeoutMs?: number;
}

const agents = new Map<string, Dispatcher>();

/**
 * Sends one request about `file` and returns whatever the server answers.
 *
 * @throws DOWNLOAD if the server can't be reached, or if a hub on https leads to http
 */
export async function send(
  session: HubSession,
  file: CheckedFile,
  url: URL,
  request: Request = {},
): Promise<Response> {
  if (session.origin.startsWith("https:") && url.protocol !== "https:") {
    throw hubError(session, file, "insecure", {
      expected: "https",
      got: `a link to ${url.protocol}//${url.host}`,
      remedy: "check HF_ENDPOINT and the network: nothing was sent there",
    });
  }
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(), request.timeoutMs ?? session.downloadTimeoutMs);
  const signals = session.signal === undefined ? [] : [session.signal];
  try {
    // Loaded at the first request: a model that is cached needs neither.
    const { fetch } = await import("undici");
    const response = await fetch(url, {
      method: request.method ?? "GET",
      headers: headersFor(session, url, request),
      redirect: "manual",
      signal: AbortSignal.any([...signals, timer.signal]),
      dispatcher: await agentFor(session, url),
    });
    return response as unknown as Response;
  } catch (error) {
    session.signal?.throwIfAborted();
    if (GemlensError.is(error)) throw error;
    throw unreachable(
      session,
      file,
      url,
      timer.signal.aborted ? "no answer in time" : reason(error),
    );
  } finally {
    clearTimeout(timeout);
  }
}

/** Lets go of an answer that nobody reads. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}

/** The reason in a network error's codes, else `otherwise`; its message may hold a URL. */
export function reason(error: unknown, otherwise = "a broken connection"): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const refused = /^Proxy response \((\d+)\)/.exec(at.message)?.[1];
    if (refused !== undefined) return `${refused} from the proxy`;
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
  }
  return error instanceof TypeError ? "a broken connection" : otherwise;
}

function headersFor(
  { origin, token }: HubSession,
  url: URL,
  { headers = {} }: Request,
): Record<string, string> {
  const isHub = url.origin === origin;
  return {
    // A compressed answer would have another length, and other bytes at the same place.
    "accept-encoding": "identity",
    "user-agent": `gemlens; node/${process.versions.node}`,
    ...(isHub && token !== undefined ? { authorization: `Bearer ${token}` } : {}),
    ...headers,
  };
}

async function agentFor(session: HubSession, url: URL): Promise<Dispatcher> {
  const { Agent, ProxyAgent } = await import("undici");
  const uri = proxyFor(session.caller, url);
  const key = JSON.stringify([uri, session.downloadTimeoutMs]);
  const known = agents.get(key);
  if (known !== undefined) return known;
  const options = { bodyTimeout: session.downloadTimeoutMs, headersTimeout: 0 };
  const agent = uri === undefined ? new Agent(options) : new ProxyAgent({ ...options, uri });
  agents.set(key, agent);
  return agent;
}

function unreachable(session: HubSession, file: CheckedFile, url: URL, got: string): GemlensError {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxied = proxyFor(session.caller, url) !== undefined;
  const remedy = proxied
    ? `check the proxy that ${name} names, and the user and password that it may want`
    : `check the network; behind a proxy set ${name}`;
  const sentence = { expected: `to reach ${url.host}`, got, remedy };
  return hubError(session, file, "unreachable", sentence, { host: url.host, reason: got });
}
