/**
 * A lock between processes, also of several machines and containers. It is written by hand because
 * packages such as proper-lockfile judge a holder by its file's age, so a suspended process loses its
 * lock.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GemlensError } from "../errors/gemlens-error.js";

const free = "free";
const pollMs = 100;

/** The holder of a lock, parsed from its symlink. */
interface Holder {
  readonly text: string;
  /** Whether this process can check if the holder is alive: same machine, same process namespace. */
  readonly visible: boolean;
  readonly alive: boolean;
}

/** Options for `withLock`. */
export interface LockOptions {
  /** Called once, if another process holds the lock. */
  readonly onWait?: (holder: string) => void;
  /** How long to wait for a holder that is not visible from here. Default: half an hour. */
  readonly patienceMs?: number;
  /** Stops waiting: rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `body` while holding the lock `folder`. Creates the folder if it is missing, and keeps it.
 *
 * Each turn is a symlink whose name is a number and whose target is the holder. Creating a symlink is
 * atomic, so nobody reads half of one. The highest number counts. It is removed only after a higher one
 * exists, so no turn can be taken twice. A turn ends when its holder ends it or is dead, never because
 * of its age.
 *
 * @param caller the operation that the lock protects, such as "setup"
 * @throws GemlensError `DOWNLOAD` if an invisible holder outlasts the patience
 */
export async function withLock<T>(
  caller: string,
  folder: string,
  body: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  mkdirSync(folder, { recursive: true });
  const turn = await acquire(caller, folder, options);
  const release = () => endTurn(folder, turn);
  process.once("exit", release);
  try {
    return await body();
  } finally {
    release();
    process.off("exit", release);
  }
}

async function acquire(caller: string, folder: string, options: LockOptions): Promise<number> {
  const since = Date.now();
  let hasReported = false;
  for (;;) {
    options.signal?.throwIfAborted();
    const last = highest(folder);
    const holder = last === 0 ? undefined : readHolder(join(folder, `${last}`));
    if (last === 0 || holder?.alive === false) {
      if (take(folder, last + 1)) return last + 1;
    } else if (holder !== undefined) {
      if (!hasReported) options.onWait?.(holder.text);
      hasReported = true;
      if (!holder.visible && Date.now() - since > (options.patienceMs ?? 1_800_000)) {
        throw new GemlensError(
          "DOWNLOAD",
          `${caller}: ${folder} is held by ${holder.text}, which cannot be checked from here: remove that folder if that process has ended`,
          { folder, holder: holder.text },
        );
      }
    }
    // Sleep also after losing a turn or failing to read its symlink, so that this is never a busy loop.
    await sleep(hasReported ? pollMs : 10);
  }
}

/** Only one process can create a turn's symlink. The turn counts if it is the highest: a slow process may be late. */
function take(folder: string, turn: number): boolean {
  const path = join(folder, `${turn}`);
  if (!makeLink(self(), path)) return false;
  const turns = numbers(folder);
  if (turns.some((other) => other > turn)) {
    rmSync(path, { force: true });
    return false;
  }
  for (const other of turns) {
    if (other < turn) rmSync(join(folder, `${other}`), { force: true });
  }
  return true;
}

function endTurn(folder: string, turn: number): void {
  const own = join(folder, `${turn}`);
  try {
    makeLink(free, join(folder, `${turn + 1}`));
  } catch {
    // The disk is full. Numbers must not restart, so the turn stays and says that it is over.
    const done = join(folder, `${turn}.done`);
    try {
      makeLink(free, done);
      renameSync(done, own);
    } catch {
      // Nobody else can create the next turn either; this one ends with the process.
    }
    return;
  }
  rmSync(own, { force: true });
}

function makeLink(target: string, path: string): boolean {
  try {
    symlinkSync(target, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function numbers(folder: string): number[] {
  return readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function highest(folder: string): number {
  return Math.max(0, ...numbers(folder));
}

/** Returns undefined if the symlink has been removed in the meantime. */
function readHolder(path: string): Holder | undefined {
  let text: string;
  try {
    text = readlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return { text: `something unreadable (${path})`, visible: false, alive: true };
  }
  if (text === free) return { text, visible: true, alive: false };
  const [host, namespace, pid, start] = text.split(" ");
  const visible = host === hostname() && namespace === processNamespace();
  return { text, visible, alive: !visible || isAlive(Number(pid), start) };
}

function self(): string {
  return [hostname(), processNamespace(), process.pid, processState(process.pid)?.start].join(" ");
}

/** Containers may share a host name but not process ids. */
function processNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "unknown";
  }
}

/** Checks the start time too, because the system reuses process ids. */
function isAlive(pid: number, start: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const state = processState(pid);
  return state === undefined || (state.start === start && !state.isZombie);
}

/** Parses /proc/PID/stat. The process name may contain anything; it ends at the last parenthesis. */
function processState(pid: number): { start: string | undefined; isZombie: boolean } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { start: fields[19], isZombie: fields[0] === "Z" || fields[0] === "X" };
  } catch {
    return undefined;
  }
}
