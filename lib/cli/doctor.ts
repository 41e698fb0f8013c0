import type { Command } from "commander";
import { doctor, formatDoctor } from "../native/doctor.js";

/** `gemlens doctor`: what was tried to load the addon, in order, and the remedy. */
export function register(program: Command): void {
  program
    .command("doctor")
    .description("show what loading depends on: libtorch, cores, CPU, CUDA, and the remedy")
    .option("--json", "print the report as JSON")
    .action((options: { json?: boolean }) => {
      const report = doctor();
      console.log(options.json ? JSON.stringify(report, null, 2) : formatDoctor(report));
      if (!report.ok) process.exitCode = 1;
    });
}
