import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** Runs `body` while holding the lock file `path`; a lock whose process has died is taken over. */
export async function withLock<T>(
  path: string,
  onWait: (holder: string) => void,
  body: () => Promise<T>,
): Promise<T> {
  const own = `${hostname()} ${process.pid}`;
  await acquire(path, own, onWait);
  const release = () => {
    if (readHolder(path) === own) rmSync(path, { force: true });
  };
  process.once("exit", release);
  try {
    return await body();
  } finally {
    release();
    process.off("exit", release);
  }
}

async function acquire(path: string, own: string, onWait: (holder: string) => void) {
  let told = false;
  for (;;) {
    try {
      writeFileSync(path, own, { flag: "wx" });
      // Two waiters may have removed the same dead lock; the file says who has it now.
      await sleep(50);
      if (readHolder(path) === own) return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = readHolder(path);
    if (holder === undefined) continue;
    if (isDead(holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!told) onWait(holder);
    told = true;
    await sleep(500);
  }
}

function readHolder(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function isDead(holder: string): boolean {
  const [host, pid] = holder.split(" ");
  if (host !== hostname()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
