/** Requests that follow redirects by our own rules. */

import { hubError } from "./hub-error.js";
import type { HubSession } from "./hub-session.js";
import type { CheckedFile } from "./repo-file.js";
import { discard, type Request, send } from "./transport.js";

export interface Answer {
  readonly response: Response;
  /** Who gave it, after all redirects. */
  readonly url: URL;
}

const longestChain = 8;

/**
 * Sends a request and follows its redirects. Credentials stay with the host that they were meant for.
 *
 * @param isEnd whether to stop at an answer that leads elsewhere
 */
export async function hubFetch(
  session: HubSession,
  file: CheckedFile,
  start: URL,
  request: Request = {},
  isEnd: (response: Response, to: URL) => boolean = () => false,
): Promise<Answer> {
  let url = start;
  let { headers = {} } = request;
  for (let hop = 0; hop < longestChain; hop++) {
    const response = await send(session, file, url, { ...request, headers });
    const to = target(response, url);
    if (to === undefined || isEnd(response, to)) return { response, url };
    await discard(response);
    if (to.origin !== url.origin) {
      const { authorization: _, ...others } = headers;
      headers = others;
    }
    url = to;
  }
  throw hubError(session, file, "not-a-hub", {
    expected: "a file",
    got: `more than ${longestChain} redirects`,
    remedy: "check HF_ENDPOINT",
  });
}

/**
 * Fetches a resolve URL. What it leads to is signed and expires: a refusal there is followed by one more
 * look at the resolve URL.
 *
 * @throws DOWNLOAD if the new link is refused as well
 */
export async function fetchResolved(
  session: HubSession,
  file: CheckedFile,
  url: URL,
  request: Request = {},
): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const answer = await hubFetch(session, file, url, request);
    const isSigned = answer.url.origin !== session.origin;
    if (!isSigned || answer.response.status !== 403) return answer;
    await discard(answer.response);
    if (tries === 2) throw expired(session, file, answer.url.host);
  }
}

/** The error for a signed link that is refused again after it was renewed. */
export function expired(session: HubSession, file: CheckedFile, host: string) {
  const sentence = {
    expected: "a signed link that is valid",
    got: `403 from ${host} twice`,
    remedy: "check this machine's clock, and whether a proxy changes links",
  };
  return hubError(session, file, "expired", sentence, { status: 403, host });
}

function target({ status, headers }: Response, url: URL): URL | undefined {
  if (status < 300 || status > 399) return undefined;
  const location = headers.get("location");
  return location !== null && URL.canParse(location, url.href) ? new URL(location, url) : undefined;
}
