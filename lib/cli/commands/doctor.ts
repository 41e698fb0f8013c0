import type { Command } from "commander";
import { printableText } from "../../report/token-text.js";
import { doctor, formatDoctor } from "../../setup/doctor.js";
import { say } from "../print/output.js";

/** `gemlens doctor`: reports each attempt to load the addon, in order, and the remedy. */
export function register(program: Command): void {
  program
    .command("doctor")
    .description(
      "report on everything that loading depends on: libtorch, cores, CPU, CUDA; and the remedy",
    )
    .option("--json", "print the report as JSON")
    .action((options: { json?: boolean }) => {
      const report = doctor();
      const text = options.json ? JSON.stringify(report, null, 2) : formatDoctor(report);
      say(printableText(text));
      if (!report.ok) process.exitCode = 1;
    });
}
