// Tests an application of the installed package: its TypeScript compiles, its scripts run.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ended, isTrue, said } from "../expect.mjs";
import { makeSandbox, run } from "../sandbox.mjs";
import { install } from "../tarball.mjs";

const { devDependencies } = JSON.parse(
  readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
);

/** A location with the package and some of the project's tools, in their locked versions. */
async function sandboxWith(tarball, tools) {
  const sandbox = makeSandbox();
  const names = tools.map((name) => `${name}@${devDependencies[name]}`);
  ended(await install(sandbox, tarball, names), 0, `npm install with ${names.join(", ")}`);
  return sandbox;
}

const packageRoot = (sandbox) => sandbox.at("app/node_modules/gemlens");

/** The TypeScript blocks of the installed README and docs, as files of the application. */
function writeBlocks(sandbox) {
  const docs = readdirSync(join(packageRoot(sandbox), "docs")).map((name) => `docs/${name}`);
  const files = ["README.md", ...docs].flatMap((page) => {
    const text = readFileSync(join(packageRoot(sandbox), page), "utf8");
    return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code], i) => {
      const name = `${page.replace(/\W/g, "-")}-${i}.mts`;
      writeFileSync(sandbox.at("app", name), code);
      return name;
    });
  });
  isTrue(files.length > 4, `README and docs have ${files.length} blocks`);
  return files;
}

/** Strict, and with library checks: the declarations must compile for every importer. */
async function types({ package: { path } }) {
  const sandbox = await sandboxWith(path, ["typescript", "@types/node"]);
  const files = writeBlocks(sandbox);
  const modules = [
    { module: "nodenext", moduleResolution: "nodenext" },
    { module: "esnext", moduleResolution: "bundler" },
  ];
  for (const how of modules) {
    const compilerOptions = {
      ...how,
      target: "es2022",
      types: ["node"],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
    };
    const config = { compilerOptions, include: ["*.mts"] };
    writeFileSync(sandbox.at("app/tsconfig.json"), JSON.stringify(config));
    const args = ["node_modules/typescript/bin/tsc", "-p", "."];
    const result = await run("node", args, { cwd: sandbox.at("app"), env: sandbox.env });
    ended(result, 0, `tsc with ${how.moduleResolution}`);
  }
  const { typescript } = devDependencies;
  return `${files.length} blocks of README and docs, nodenext and bundler, TypeScript ${typescript}`;
}

/**
 * Runs one example by the command of recipes.md, then all examples and the README's first as files
 * of an application.
 */
async function examples({ package: { path }, libtorch: { torch } }) {
  const sandbox = await sandboxWith(path, ["tsx"]);
  const env = { ...sandbox.env, LIBTORCH: torch };
  const folder = packageRoot(sandbox);
  const packed = await run("npx", ["tsx", "examples/steering.ts"], { cwd: folder, env });
  ended(packed, 0, "examples/steering.ts");
  said(packed, "logits equal: true");

  const app = { cwd: sandbox.at("app"), env };
  const names = readdirSync(join(folder, "examples")).filter((name) => name.endsWith(".ts"));
  for (const name of names) {
    const own = name.replace(/ts$/, "mts");
    writeFileSync(sandbox.at("app", own), readFileSync(join(folder, "examples", name)));
    ended(await run("npx", ["tsx", own], app), 0, `${name} in the application`);
  }
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const [, code, printed] = /^```ts\n(.*?)^```\n\n```text\n(.*?)^```/ms.exec(readme);
  writeFileSync(sandbox.at("app/example.mts"), code);
  const first = await run("npx", ["tsx", "example.mts"], app);
  ended(first, 0, "the README's first example");
  said(first, printed.trim(), "the README's first example");
  return `examples/steering.ts in the package; ${names.length} examples and the README's first in the application`;
}

export const applicationCases = { types, examples };
