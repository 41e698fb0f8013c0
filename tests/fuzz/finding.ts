import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Input, inputsOf } from "./input.js";
import { type Format, samplesOf } from "./samples.js";

/** A failing input with everything needed to open it again. */
export interface Finding {
  readonly format: Format;
  readonly seed: number;
  readonly index: number;
  readonly problem: string;
  readonly outcome: string;
  readonly step: string;
  readonly message: string;
  readonly sample: string;
  readonly native: boolean;
  /** The changed files, as base64. */
  readonly changed: Readonly<Record<string, string>>;
}

/** A finding without its files. */
export type FindingRecord = Omit<Finding, "sample" | "native" | "changed">;

export function completeFinding(record: FindingRecord, nativeShare: number): Finding {
  const { sample, native, changed } = inputsOf(
    record.format,
    record.seed,
    nativeShare,
  )(record.index);
  const files = Object.entries(changed).map(([name, bytes]) => [name, bytes.toString("base64")]);
  return { ...record, sample: sample.name, native, changed: Object.fromEntries(files) };
}

/** Writes the finding for `--replay`; returns the path. */
export function saveFinding(folder: string, finding: Finding): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${finding.format}-${finding.seed}-${finding.index}.json`);
  writeFileSync(path, JSON.stringify(finding, null, 2));
  return path;
}

/** The input of a saved finding. */
export function readFinding(path: string): { format: Format; input: Input } {
  const finding = JSON.parse(readFileSync(path, "utf8")) as Finding;
  const sample = samplesOf(finding.format).find(({ name }) => name === finding.sample);
  if (!sample) throw new Error(`${path}: expected a known sample, got ${finding.sample}`);
  const files = Object.entries(finding.changed).map(([name, text]) => [
    name,
    Buffer.from(text, "base64"),
  ]);
  const input = { sample, native: finding.native, changed: Object.fromEntries(files) };
  return { format: finding.format, input };
}
