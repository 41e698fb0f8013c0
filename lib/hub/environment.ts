/** The variables that Python's huggingface_hub reads, with the same meaning. */

import { argument } from "../errors/check-options.js";

export interface HubEnvironment {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly offline: boolean;
  readonly xet: boolean;
  readonly symlinks: boolean;
  readonly implicitToken: boolean;
  readonly etagTimeoutMs: number;
  readonly downloadTimeoutMs: number;
}

const publicHub = "https://huggingface.co";

/** @throws ARGUMENT if HF_ENDPOINT is no http(s) URL, or a timeout no number of seconds */
export function hubEnvironment(caller: string, env = process.env): HubEnvironment {
  return {
    endpoint: endpointOf(caller, env["HF_ENDPOINT"] || publicHub),
    offline: isTrue(env["HF_HUB_OFFLINE"] || env["TRANSFORMERS_OFFLINE"]),
    xet: !isTrue(env["HF_HUB_DISABLE_XET"]),
    symlinks: !isTrue(env["HF_HUB_DISABLE_SYMLINKS"]),
    implicitToken: !isTrue(env["HF_HUB_DISABLE_IMPLICIT_TOKEN"]),
    etagTimeoutMs: timeout(caller, "HF_HUB_ETAG_TIMEOUT", env),
    downloadTimeoutMs: timeout(caller, "HF_HUB_DOWNLOAD_TIMEOUT", env),
  };
}

function endpointOf(caller: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.username === "" && url.password === "" && url.search === "";
  if (url !== undefined && isPlain && /^https?:$/.test(url.protocol)) {
    return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
  }
  // Not shown: a password may be in it.
  throw argument(caller, "an http or https URL without a user", "HF_ENDPOINT", "another value");
}

function timeout(caller: string, name: string, env: NodeJS.ProcessEnv): number {
  const text = env[name] || "10";
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 0) {
    throw argument(caller, "a number of seconds", name, JSON.stringify(text));
  }
  return (seconds || 10) * 1000;
}

function isTrue(value: string | undefined): boolean {
  return /^(?:1|on|yes|true)$/i.test(value ?? "");
}
