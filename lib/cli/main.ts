#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { GemlensError } from "../errors/index.js";
import { register as registerDoctor } from "./doctor.js";
import { register as registerSetup } from "./setup.js";

// In the order of a first encounter; each command is one file.
const commands = [registerSetup, registerDoctor];

const wrongUsage = 2;
const failure = 1;

function createProgram(): Command {
  const manifest = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  const program = new Command("gemlens")
    .description("Run Gemma with hooks, and read it with Gemma Scope.")
    .version(version)
    .showHelpAfterError("(gemlens <command> --help lists its options)");
  // Before the commands: they inherit it.
  program.exitOverride();
  for (const register of commands) register(program);
  return program;
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(argv);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // commander has printed its own message; help and version come this way too, with code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : wrongUsage;
    if (GemlensError.is(error)) {
      console.error(`gemlens: ${error.message}`);
      const output = error.fields["output"];
      if (typeof output === "string") console.error(output);
      return error.code === "ARGUMENT" ? wrongUsage : failure;
    }
    console.error(error);
    return failure;
  }
}

main(process.argv).then((code) => {
  process.exitCode = code;
});
