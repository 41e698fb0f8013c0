/** The errors of a download, one for each problem. None holds a token, a query string or a foreign message. */

import { type ErrorCode, type ErrorFields, GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { HubSession } from "./hub-session.js";
import { type CheckedFile, isCommit, pageUrl } from "./repo-file.js";

/** `fields.problem` of each error, for callers that branch on it. */
export type HubProblem =
  | "gated"
  | "unauthorised"
  | "forbidden"
  | "no-repository"
  | "no-revision"
  | "no-file"
  | "not-cached"
  | "rate-limit"
  | "server"
  | "unreachable"
  | "cut"
  | "expired"
  | "insecure"
  | "not-a-hub"
  | "no-range"
  | "damaged"
  | "link";

/** An error about one file; `expected … for …, got …: remedy`. */
export function hubError(
  session: HubSession,
  file: CheckedFile,
  problem: HubProblem,
  { expected, subject = shownFile(file), got, remedy }: Sentence,
  fields: ErrorFields = {},
): GemlensError {
  const { repo, repoType, revision, path } = file;
  const all = { problem, repo, repoType, revision, path, ...fields };
  const message = sentence(session.caller, expected, subject, got, `: ${remedy}`);
  return new GemlensError(codeOf(problem), message, all);
}

export interface Sentence {
  readonly expected: string;
  /** Default: the file. */
  readonly subject?: string;
  readonly got: string;
  readonly remedy: string;
}

/** Whether an error is of one of these problems. */
export function isProblem(error: unknown, ...problems: HubProblem[]): error is GemlensError {
  return GemlensError.is(error) && problems.includes(error.fields["problem"] as HubProblem);
}

/** `google/gemma-2-2b/config.json`. */
export function shownFile({ repo, path }: CheckedFile): string {
  return `${repo}/${path}`;
}

/** The error that a refusing answer stands for. */
export function refusal(
  session: HubSession,
  file: CheckedFile,
  response: Response,
  host: string,
): GemlensError {
  const { status } = response;
  const commit = response.headers.get("x-repo-commit") ?? "";
  const fields = { status, host, ...(isCommit(commit) ? { commit } : {}) };
  const page = pageUrl(session.endpoint, file);
  const fail = (problem: HubProblem, sentence: Sentence, more: ErrorFields = {}) =>
    hubError(session, file, problem, sentence, { ...fields, ...more });
  switch (response.headers.get("x-error-code")) {
    case "EntryNotFound":
      return fail("no-file", {
        expected: `a file of ${file.repo} (revision ${file.revision})`,
        subject: JSON.stringify(file.path),
        got: "none",
        remedy: `see ${page}/tree/${encodeURIComponent(file.revision)}`,
      });
    case "RevisionNotFound":
      return fail("no-revision", {
        expected: `a branch, tag or commit of ${file.repo}`,
        subject: `revision ${JSON.stringify(file.revision)}`,
        got: "none",
        remedy: `see ${page}/commits/main`,
      });
    case "GatedRepo":
      return fail("gated", gated(session, file, status, page));
  }
  if (status === 429) return rateLimit(session, file, response, host);
  // Storage that signed links lead to knows no repositories: whatever it refuses may pass.
  if (status >= 500 || host !== new URL(session.origin).host) {
    const sentence = {
      expected: `an answer of ${host}`,
      got: `${status}`,
      remedy: "try again later",
    };
    return fail("server", sentence, { seconds: secondsToWait(response.headers) });
  }
  if (
    status === 401 &&
    /invalid credentials/i.test(response.headers.get("x-error-message") ?? "")
  ) {
    return fail("unauthorised", {
      expected: "a valid token",
      got: "401, the hub does not know this one",
      remedy: `make one at ${session.endpoint}/settings/tokens and set HF_TOKEN to it`,
    });
  }
  const isMissing = response.headers.get("x-error-code") === "RepoNotFound" || status === 404;
  if (isMissing || status === 401) {
    return fail("no-repository", {
      expected: `a ${file.repoType} on ${session.endpoint}`,
      subject: JSON.stringify(file.repo),
      got: `none (${status})`,
      remedy: `check the name; for a private one ${tokenHint(session)}`,
    });
  }
  const got = `${status} from ${host}`;
  return status === 403
    ? fail("forbidden", { expected: "read access", got, remedy: tokenHint(session) })
    : fail("not-a-hub", { expected: "a hub's answer", got, remedy: "check HF_ENDPOINT" });
}

function gated(session: HubSession, { repo }: CheckedFile, status: number, page: string): Sentence {
  const token = session.token === undefined ? " and set HF_TOKEN to a token of that account" : "";
  const account = session.token === undefined ? "" : " with the account of the token in use";
  return {
    expected: `access to ${repo}, which is gated,`,
    got: `${status}`,
    remedy: `accept its licence at ${page}${account}${token}`,
  };
}

function tokenHint({ token }: HubSession): string {
  return token === undefined
    ? "set HF_TOKEN to a token that may read it"
    : "use a token that may read it (HF_TOKEN)";
}

function rateLimit(
  session: HubSession,
  file: CheckedFile,
  response: Response,
  host: string,
): GemlensError {
  const seconds = secondsToWait(response.headers);
  const wait = seconds === undefined ? "try again later" : `try again in ${seconds} s`;
  const more = session.token === undefined ? ", or set HF_TOKEN: its limit is higher" : "";
  const got = `429, the rate limit${seconds === undefined ? "" : ` for another ${seconds} s`}`;
  const said = { expected: `an answer of ${host}`, got, remedy: `${wait}${more}` };
  return hubError(session, file, "rate-limit", said, { status: 429, host, seconds });
}

/** Of RateLimit, if it is what ran out, else of Retry-After. */
function secondsToWait(headers: Headers): number | undefined {
  const limit = headers.get("ratelimit") ?? "";
  const remaining = /\br=(\d+)/.exec(limit)?.[1];
  const reset = /\bt=(\d+)/.exec(limit)?.[1];
  if (reset !== undefined && Number(remaining) === 0) return Number(reset);
  const after = /^\d+$/.exec(headers.get("retry-after")?.trim() ?? "")?.[0];
  return after === undefined ? undefined : Number(after);
}

function codeOf(problem: HubProblem): ErrorCode {
  const isMissing = /^(?:no-repository|no-revision|no-file|not-cached)$/.test(problem);
  return isMissing ? "NOT_FOUND" : "DOWNLOAD";
}
