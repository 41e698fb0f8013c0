#!/usr/bin/env node
import { Command } from "commander";
import { packageVersion } from "../native/core-check.js";
import { printableText } from "../report/index.js";
import { register as registerAblate } from "./ablate.js";
import { register as registerAttribute } from "./attribute.js";
import { register as registerDemo } from "./demo.js";
import { register as registerDoctor } from "./doctor.js";
import { register as registerEvaluate } from "./evaluate.js";
import { register as registerFeatures } from "./features.js";
import { register as registerGenerate } from "./generate.js";
import { register as registerLens } from "./lens.js";
import { reportError } from "./report-error.js";
import { register as registerSetup } from "./setup.js";
import { guardStreams } from "./standard-streams.js";
import { register as registerSteer } from "./steer.js";
import { register as registerTokens } from "./tokens.js";

// In the order of a first encounter; each command is one file.
const commands = [
  registerSetup,
  registerDemo,
  registerDoctor,
  registerTokens,
  registerFeatures,
  registerGenerate,
  registerSteer,
  registerAblate,
  registerAttribute,
  registerLens,
  registerEvaluate,
];

function createProgram(): Command {
  const program = new Command("gemlens")
    .description("Run Gemma with hooks, and read it with Gemma Scope.")
    .version(packageVersion())
    .showHelpAfterError("(gemlens <command> --help lists its options)")
    .configureOutput({ writeErr: (text) => void process.stderr.write(printableText(text)) });
  // Before the commands: they inherit it.
  program.exitOverride();
  for (const register of commands) register(program);
  return program;
}

async function main(argv: readonly string[]): Promise<number> {
  guardStreams();
  try {
    await createProgram().parseAsync(argv);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return reportError(error);
  }
}

main(process.argv).then((code) => {
  process.exitCode = code;
});
