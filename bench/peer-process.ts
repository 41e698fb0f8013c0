import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Names and versions of a Python environment's packages. */
export type Versions = Readonly<Record<string, string>>;

interface Answer {
  readonly error?: string;
  readonly ms?: number;
}

/** The process was killed or crashed. */
export class PeerEnded extends Error {}

const script = join(import.meta.dirname, "python/peer.py");

/** bench/python/peer.py in a Python environment; one request at a time. */
export class PeerProcess {
  readonly versions: Versions;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #log: string[];
  readonly #end: Promise<string>;

  private constructor(
    child: ChildProcess,
    lines: AsyncIterator<string>,
    versions: Versions,
    log: string[],
    end: Promise<string>,
  ) {
    this.#child = child;
    this.#lines = lines;
    this.#log = log;
    this.#end = end;
    this.versions = versions;
  }

  /** @throws with the process's output if it does not start */
  static async start(python: string): Promise<PeerProcess> {
    const child = spawn(python, [script], { stdio: ["pipe", "pipe", "pipe"] });
    const log: string[] = [];
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log.push(text);
    });
    const failed = new Promise<never>((_, reject) => child.once("error", reject));
    // Only start() awaits this; a later failure shows as the end of the lines.
    failed.catch(() => undefined);
    // Listens from the start, because a process reports its end only once.
    const end = new Promise<string>((resolve) => {
      child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    child.stdin.on("error", () => undefined);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await Promise.race([lines.next(), failed]);
    if (first.done) throw new Error(`${python} ended: ${tail(log)}`);
    return new PeerProcess(child, lines, JSON.parse(first.value) as Versions, log, end);
  }

  /** @throws the peer's error; a PeerEnded if the process is gone */
  async request(request: Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const line = await this.#lines.next();
    if (line.done) throw new PeerEnded(`the peer ended (${await this.#end}): ${tail(this.#log)}`);
    const answer = JSON.parse(line.value) as Answer;
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.#end;
  }
}

function tail(log: readonly string[]): string {
  return log.join("").trimEnd().split("\n").slice(-3).join("\n");
}
