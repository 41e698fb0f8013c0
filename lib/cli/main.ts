#!/usr/bin/env node
import { Command } from "commander";
import { packageVersion } from "../native/core-check.js";
import { printableText } from "../report/token-text.js";
import { register as registerAblate } from "./commands/ablate.js";
import { register as registerAttribute } from "./commands/attribute.js";
import { register as registerDemo } from "./commands/demo.js";
import { register as registerDoctor } from "./commands/doctor.js";
import { register as registerEvaluate } from "./commands/evaluate.js";
import { register as registerFeatures } from "./commands/features.js";
import { register as registerGenerate } from "./commands/generate.js";
import { register as registerLens } from "./commands/lens.js";
import { register as registerReleases } from "./commands/releases.js";
import { register as registerSetup } from "./commands/setup.js";
import { register as registerSteer } from "./commands/steer.js";
import { register as registerTokens } from "./commands/tokens.js";
import { reportError } from "./print/report-error.js";
import { guardStreams } from "./print/standard-streams.js";

// The help lists the commands in this order: first steps come first.
const commands = [
  registerSetup,
  registerDemo,
  registerDoctor,
  registerReleases,
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
    .description("Run Gemma with hooks, and inspect it with Gemma Scope.")
    .version(packageVersion())
    .showHelpAfterError("(gemlens <command> --help lists its options)")
    .configureOutput({ writeErr: (text) => void process.stderr.write(printableText(text)) });
  // Commands inherit this override, so it is set before they are registered.
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
