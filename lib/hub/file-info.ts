/** Asks the hub about a file before any byte of it: our own HEAD, like that of huggingface_hub. */

import { hubError, refusal } from "./hub-error.js";
import { hubFetch } from "./hub-fetch.js";
import type { HubSession } from "./hub-session.js";
import { type CheckedFile, isCommit, isEtag, resolveUrl } from "./repo-file.js";
import { discard } from "./transport.js";

export interface FileInfo {
  /** The commit that the revision names now. */
  readonly commit: string;
  /** The file's sha256 (64 hex digits), or its git blob's sha1 (40). */
  readonly etag: string;
  readonly size: number;
  readonly xet: XetInfo | undefined;
}

/** Where a file lies in Xet storage. */
export interface XetInfo {
  readonly hash: string;
  /** Gives the read token. */
  readonly refreshUrl: URL;
  readonly reconstructionUrl: URL;
}

/** @throws DOWNLOAD, or NOT_FOUND for a repository, revision or file that does not exist */
export async function headFile(session: HubSession, file: CheckedFile): Promise<FileInfo> {
  const request = { method: "HEAD", timeoutMs: session.etagTimeoutMs } as const;
  // The answer that leads to storage is the one that knows the commit; one that does not is a mirror's.
  const leadsToStorage = (response: Response, to: URL) =>
    to.origin !== session.origin && response.headers.has("x-repo-commit");
  const start = resolveUrl(session.endpoint, file);
  const { response, url } = await hubFetch(session, file, start, request, leadsToStorage);
  await discard(response);
  if (response.status >= 400) throw refusal(session, file, response, url.host);
  return readInfo(session, file, response);
}

function readInfo(session: HubSession, file: CheckedFile, response: Response): FileInfo {
  const { headers } = response;
  const isRedirect = response.status >= 300;
  const commit = headers.get("x-repo-commit") ?? "";
  const etag = plain(headers.get("x-linked-etag") ?? headers.get("etag") ?? "");
  const length =
    headers.get("x-linked-size") ?? (isRedirect ? null : headers.get("content-length"));
  const size = /^\d+$/.test(length ?? "") ? Number(length) : Number.NaN;
  const wrong = (name: string, want: string, got: string | null) =>
    hubError(session, file, "not-a-hub", {
      expected: `${want} for ${name} of an answer`,
      got: got ? JSON.stringify(got.slice(0, 100)) : "none",
      remedy: "check HF_ENDPOINT and the proxy: this is not how a hub answers",
    });
  if (!isCommit(commit)) throw wrong("X-Repo-Commit", "40 hex digits", commit);
  if (!isEtag(etag)) throw wrong("ETag", "40 or 64 hex digits", etag);
  if (!Number.isSafeInteger(size)) throw wrong("the length", "a number", length);
  return { commit, etag, size, xet: xetOf(session, headers) };
}

/** `W/"abc"` and `"abc"` are abc. */
function plain(etag: string): string {
  return etag.replace(/^W\//, "").replace(/^"(.*)"$/, "$1");
}

function xetOf(session: HubSession, headers: Headers): XetInfo | undefined {
  const hash = headers.get("x-xet-hash") ?? "";
  const links = linksOf(headers.get("link") ?? "");
  const refresh = links.get("xet-auth") ?? headers.get("x-xet-refresh-route") ?? "";
  const reconstruction = links.get("xet-reconstruction-info") ?? "";
  if (!/^[0-9a-f]{64}$/i.test(hash) || !URL.canParse(reconstruction)) return undefined;
  if (!URL.canParse(refresh, session.endpoint)) return undefined;
  const refreshUrl = new URL(refresh, session.endpoint);
  // A mirror passes the hub's own links on; the token is for the mirror, as the request was.
  if (refreshUrl.origin === "https://huggingface.co" && session.origin !== refreshUrl.origin) {
    const onMirror = new URL(`${session.endpoint}${refreshUrl.pathname}${refreshUrl.search}`);
    return { hash, refreshUrl: onMirror, reconstructionUrl: new URL(reconstruction) };
  }
  return { hash, refreshUrl, reconstructionUrl: new URL(reconstruction) };
}

/** `<https://…>; rel="xet-auth", <…>; rel="…"`. */
function linksOf(header: string): Map<string, string> {
  const links = header.matchAll(/<([^<>]*)>\s*;\s*rel="?([^",;]+)"?/g);
  return new Map([...links].map(([, url = "", rel = ""]) => [rel, url]));
}
