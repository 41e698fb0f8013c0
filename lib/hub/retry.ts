import { setTimeout as sleep } from "node:timers/promises";
import { isProblem } from "./hub-error.js";
import type { HubSession } from "./hub-session.js";

/** Failures in a row, none of which brought anything. */
const mostFailures = 5;
/** The pause after the first failure, which doubles after each; tests have less time. */
export const patience = { firstPauseMs: 250 };
/** A longer rate limit is an error that says how long. */
const longestWaitSeconds = 60;

/** Runs `attempt` again after a failure that may pass; the last failure is the result's. */
export async function withRetries<T>(session: HubSession, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      await pauseAfter(session, error, failures);
    }
  }
}

/** Waits until another attempt makes sense; throws `error` if none does. */
export async function pauseAfter(
  session: HubSession,
  error: unknown,
  failures: number,
): Promise<void> {
  session.signal?.throwIfAborted();
  const mayPass = isProblem(error, "server", "unreachable", "cut", "rate-limit");
  if (!mayPass || failures >= mostFailures) throw error;
  const seconds = error.fields["seconds"];
  if (typeof seconds === "number" && seconds > longestWaitSeconds) throw error;
  const pause = patience.firstPauseMs * 2 ** (failures - 1);
  const ms = typeof seconds === "number" ? Math.max(seconds * 1000, pause) : pause;
  await sleep(ms, undefined, { signal: session.signal }).catch(() => undefined);
  session.signal?.throwIfAborted();
}
