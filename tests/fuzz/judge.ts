import { statSync } from "node:fs";
import { join } from "node:path";
import type { Input } from "./input.js";
import { isTyped, type Step, stepsOf } from "./open.js";
import { PeakMemory } from "./peak-memory.js";

/** The outcome of one input. `problem` is the finding, or null. */
export interface Verdict {
  /** "opened", or the code of the error. */
  readonly outcome: string;
  readonly step: string;
  readonly message: string;
  readonly problem: string | null;
  readonly cpuMs: number;
  /** Bytes at the peak, above those in use before. */
  readonly memory: number;
}

// An allowance for the garbage collector, which may run at any moment.
const floor = 32 * 2 ** 20;
const longestMessage = 700;

/** Opens a folder with the input, and reports any misbehaviour. */
export async function judge(input: Input, folder: string, slowest: number): Promise<Verdict> {
  const first = await measure(input, folder, slowest);
  const limit = 2 * bytesIn(input, folder) + floor;
  if (first.problem !== null || first.memory <= limit) return first;
  globalThis.gc?.();
  const again = await measure(input, folder, slowest);
  if (again.memory <= limit) return again;
  return { ...again, problem: `used ${again.memory} bytes at the peak, more than ${limit}` };
}

function bytesIn(input: Input, folder: string): number {
  return Object.keys(input.sample.files).reduce(
    (sum, name) => sum + statSync(join(folder, name)).size,
    0,
  );
}

async function measure(input: Input, folder: string, slowest: number): Promise<Verdict> {
  const memory = new PeakMemory();
  const before = process.cpuUsage();
  const started = performance.now();
  let step: Step | undefined;
  let error: unknown;
  let failed = false;
  try {
    for (step of stepsOf(input.sample, folder, input.native)) await step.run();
  } catch (thrown) {
    error = thrown;
    failed = true;
  }
  const { user, system } = process.cpuUsage(before);
  const cpuMs = Math.min((user + system) / 1000, performance.now() - started);
  const common = { step: step?.name ?? "", cpuMs, memory: memory.growth() };
  const slow = cpuMs > slowest ? `took ${Math.round(cpuMs)} ms` : null;
  if (!failed) return { ...common, outcome: "opened", message: "", problem: slow };
  const outcome = isTyped(error) ? error.code : String((error as Error | null)?.name);
  const message = String((error as Error | null)?.message ?? error);
  const problem = slow ?? problemWith(error, step as Step, folder);
  return { ...common, outcome, message, problem };
}

function problemWith(error: unknown, step: Step, folder: string): string | null {
  if (!isTyped(error)) return `threw no GemlensError: ${(error as Error)?.stack ?? String(error)}`;
  const { code, message, fields } = error;
  if (!step.codes.includes(code)) return `code ${code}, none of ${step.codes.join(", ")}`;
  if (message.length > longestMessage + folder.length) {
    return `a message of ${message.length} characters`;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: messages must not contain them
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]|\p{Surrogate}/u.test(message)) {
    return "a message with control characters or lone surrogates";
  }
  if (code === "ARGUMENT") return null; // The error is about the call, not about a file.
  const { file, field } = fields as { file?: unknown; field?: unknown };
  if (typeof file !== "string" || !file.startsWith(folder) || !message.includes(file)) {
    return "a message that does not name the file";
  }
  if (typeof field !== "string" || field === "" || !message.includes(field)) {
    return "a message that does not name the field";
  }
  return null;
}
