import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PeerEnded, PeerProcess, type Versions } from "./peer-process.js";
import { environmentPython } from "./python/setup.mjs";
import type { Device, Side } from "./row.js";
import { temporaryFolder } from "./temporary.js";

export type EnvironmentName = "a" | "c";
export type PeerKind = "transformers" | "bridge" | "hooked" | "saelens" | "matrices";
type Request = Readonly<Record<string, unknown>>;

const environmentsOf: Readonly<Record<PeerKind, readonly EnvironmentName[]>> = {
  transformers: ["a", "c"],
  bridge: ["c"],
  hooked: ["a"],
  saelens: ["a"],
  matrices: ["a", "c"],
};

function nameOf(kind: PeerKind, versions: Versions): string {
  const version = (name: string) => versions[name] ?? "?";
  switch (kind) {
    case "transformers":
      return `transformers ${version("transformers")} eager`;
    case "bridge":
      return `TransformerLens ${version("transformer-lens")} bridge`;
    case "hooked":
      return `HookedTransformer ${version("transformer-lens")}`;
    case "saelens":
      return `SAELens ${version("sae-lens")}`;
    case "matrices":
      return `torch ${version("torch")}`;
  }
}

/** An object that a peer has loaded. */
export interface LoadedPeer {
  readonly id: string;
  readonly name: string;
  /** The peer doing this work, as a side of a row. */
  side(work: string, request: Request): Side;
  /** Never rejects, because the row is measured by then: see `Peers.failures`. */
  unload(): Promise<void>;
}

/** The available Python environments, one process for each; started at first use. */
export class Peers {
  readonly threads: number;
  readonly device: Device;
  readonly #pythons: Readonly<Partial<Record<EnvironmentName, string>>>;
  readonly #processes = new Map<EnvironmentName, Promise<PeerProcess | undefined>>();
  readonly #versions = new Map<EnvironmentName, Versions>();
  readonly #scratch = temporaryFolder();
  #lastId = 0;
  #failures = 0;

  constructor(
    pythons: Partial<Record<EnvironmentName, string>>,
    threads: number,
    device: Device = "cpu",
  ) {
    this.#pythons = pythons;
    this.threads = threads;
    this.device = device;
  }

  /** Of each used environment. */
  get versions(): Readonly<Record<string, Versions>> {
    return Object.fromEntries(this.#versions);
  }

  /** How often a peer ended while it loaded, or failed to unload; each reason was printed. */
  get failures(): number {
    return this.#failures;
  }

  /** The Python in which this kind can run. */
  pythonFor(kind: PeerKind): string | undefined {
    return environmentsOf[kind].map((name) => this.#pythons[name]).find(Boolean);
  }

  /** The name of a kind of peer with its version; starts its environment. */
  async nameOf(kind: PeerKind): Promise<string | undefined> {
    const process = await this.#processFor(kind);
    return process === undefined ? undefined : nameOf(kind, process.versions);
  }

  /** undefined if no environment has it, or if it fails to load (the reason is printed). */
  async load(kind: PeerKind, request: Request): Promise<LoadedPeer | undefined> {
    const process = await this.#processFor(kind);
    if (process === undefined) return undefined;
    const id = `${kind}-${++this.#lastId}`;
    const name = nameOf(kind, process.versions);
    try {
      const { threads, device } = this;
      await process.request({ do: "load", id, kind, threads, device, ...request });
    } catch (error) {
      console.error(`bench: ${name} does not load: ${(error as Error).message}`);
      if (error instanceof PeerEnded) this.#failures += 1;
      return undefined;
    }
    return {
      id,
      name,
      side: (work, more) => ({
        name,
        run: async () => (await process.request({ do: "run", id, work, ...more })).ms,
        output: async () => {
          const to = join(this.#scratch.folder, "output.bin");
          await process.request({ do: "output", id, work, to, ...more });
          return readFloats(to);
        },
      }),
      unload: async () => {
        try {
          await process.request({ do: "unload", id });
        } catch (error) {
          console.error(`bench: ${name} does not unload: ${(error as Error).message}`);
          this.#failures += 1;
        }
      },
    };
  }

  async close(): Promise<void> {
    for (const process of this.#processes.values()) await (await process)?.close();
    this.#scratch.remove();
  }

  async #processFor(kind: PeerKind): Promise<PeerProcess | undefined> {
    for (const name of environmentsOf[kind]) {
      const python = this.#pythons[name];
      if (python === undefined) continue;
      let started = this.#processes.get(name);
      if (started === undefined) {
        started = this.#start(name, python);
        this.#processes.set(name, started);
      }
      const process = await started;
      if (process !== undefined) return process;
    }
    return undefined;
  }

  async #start(name: EnvironmentName, python: string): Promise<PeerProcess | undefined> {
    try {
      const process = await PeerProcess.start(python);
      this.#versions.set(name, process.versions);
      return process;
    } catch (error) {
      console.error(`bench: environment ${name} does not start: ${(error as Error).message}`);
      return undefined;
    }
  }
}

/** A file of raw float32 numbers. */
export function readFloats(path: string): Float32Array {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** A Python for each environment: from the options, its variable, or setup.mjs. */
export async function findPythons(
  given: Partial<Record<EnvironmentName, string | undefined>>,
): Promise<Partial<Record<EnvironmentName, string>>> {
  const found: Partial<Record<EnvironmentName, string>> = {};
  for (const name of ["a", "c"] as const) {
    const variable = process.env[`GEMLENS_BENCH_PYTHON_${name.toUpperCase()}`];
    const python = given[name] ?? variable ?? (await environmentPython(name));
    if (python === undefined) {
      console.error(`bench: no Python environment ${name} (node bench/python/setup.mjs makes it)`);
    } else {
      found[name] = python;
    }
  }
  return found;
}
