import { readFileSync } from "node:fs";
import { SAE, type SingleSiteCoder, Transcoder } from "../../lib/index.js";
import { device } from "./compare.js";
import { fixture, goldensOf } from "./fixtures.js";
import { type Golden, need } from "./safetensors.js";

interface CoderEntry {
  readonly class: "SAE" | "Transcoder";
  readonly path: string;
  readonly hookName: string;
  readonly hookNameOut?: string;
}

/** `MODEL/NAME.json` of tests/goldens, with its expected tensors and its coders. */
export class Oracle<Case> {
  readonly cases: readonly Case[];
  readonly prompts: Readonly<Record<string, number[][]>>;
  readonly #entries: Readonly<Record<string, CoderEntry>>;
  readonly #goldens: ReadonlyMap<string, Golden>;
  readonly #coders = new Map<string, SingleSiteCoder>();

  constructor(model: string, name: string) {
    const file = JSON.parse(readFileSync(fixture(`${model}/${name}.json`), "utf8"));
    this.cases = file.cases;
    this.prompts = file.prompts;
    this.#entries = file.coders;
    this.#goldens = goldensOf(model, `expected_${name}`);
  }

  async load(): Promise<void> {
    for (const [key, { class: kind, path, ...hooks }] of Object.entries(this.#entries)) {
      const options = { ...hooks, device };
      const coder = { SAE, Transcoder }[kind].fromFile(fixture(path), options);
      this.#coders.set(key, await coder);
    }
  }

  dispose(): void {
    for (const coder of this.#coders.values()) coder.dispose();
  }

  golden(key: string): Golden {
    return need(this.#goldens, key);
  }

  coder(key: string): SingleSiteCoder {
    const coder = this.#coders.get(key);
    if (coder === undefined) throw new Error(`no coder ${key}`);
    return coder;
  }

  /** The only row of a prompt. */
  prompt(name: string): number[] {
    return this.prompts[name]?.[0] ?? [];
  }
}
