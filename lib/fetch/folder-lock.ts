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

/** Who holds a lock, as its symlink says it. */
interface Holder {
  readonly text: string;
  /** Whether this process can see if the holder lives: same machine, same process namespace. */
  readonly visible: boolean;
  readonly alive: boolean;
}

export interface LockOptions {
  /** Called once, when there is something to wait for. */
  readonly onWait?: (holder: string) => void;
  /** How long a holder is waited for that cannot be looked at from here. Default half an hour. */
  readonly patienceMs?: number;
}

/**
 * Runs `body` while holding the lock `folder`, which is made where it is missing and stays.
 *
 * Each turn is a symlink: its name a number, its target the holder, so it is made in one step and
 * never read half-written. The highest number counts, and it is removed only after a higher one was
 * made, so no turn can be taken twice. A turn is over when its holder says so or is dead; never
 * because of its age.
 *
 * @param caller opens its error: what the lock is held for, such as "setup"
 * @throws GemlensError `DOWNLOAD` where an unseen holder outlasts the patience.
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
  let told = false;
  for (;;) {
    const last = highest(folder);
    const holder = last === 0 ? undefined : readHolder(join(folder, `${last}`));
    if (last === 0 || holder?.alive === false) {
      if (take(folder, last + 1)) return last + 1;
    } else if (holder !== undefined) {
      if (!told) options.onWait?.(holder.text);
      told = true;
      if (!holder.visible && Date.now() - since > (options.patienceMs ?? 1_800_000)) {
        throw new GemlensError(
          "DOWNLOAD",
          `${caller}: ${folder} is held by ${holder.text}, which cannot be looked at from here: remove that folder if it is no more`,
          { folder, holder: holder.text },
        );
      }
    }
    // Also where a turn was just lost, or its symlink could not be read: never a busy loop.
    await sleep(told ? pollMs : 10);
  }
}

/** Only one can make a turn's symlink. It counts where it is the highest: a slow one may be late. */
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
    // A full disk: the turn stays, as numbers must not begin anew, and says that it is over.
    const done = join(folder, `${turn}.done`);
    try {
      makeLink(free, done);
      renameSync(done, own);
    } catch {
      // Nobody else can make the next turn either; this one is over when the process is.
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

/** undefined where it went away meanwhile. */
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

/** Containers may share a host's name and not its process numbers. */
function processNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "unknown";
  }
}

/** A number that another process has been given since is not the same process. */
function isAlive(pid: number, start: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const state = processState(pid);
  return state === undefined || (state.start === start && !state.isZombie);
}

/** From /proc/PID/stat: the name, which may hold anything, ends at the last parenthesis. */
function processState(pid: number): { start: string | undefined; isZombie: boolean } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { start: fields[19], isZombie: fields[0] === "Z" || fields[0] === "X" };
  } catch {
    return undefined;
  }
}
