// Tests `using` in loops under tsx, and the check that rejects the unsafe form.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { newFolder } from "../support/folder.js";

const require = createRequire(import.meta.url);
/** The part of esbuild's API in use. */
interface Esbuild {
  transform(text: string, options: object): Promise<{ code: string }>;
}

const folder = newFolder();

const loops = `
class Held { constructor(readonly name: string) {} [Symbol.dispose]() {} async [Symbol.asyncDispose]() {} }
async function open(name: string) { if (name === "bad") throw new Error(name); return new Held(name); }
const out: string[] = [];
for (const name of ["bad", "b", "c"]) {
  try { using one = await open(name); out.push(one.name); } catch (e) { out.push(String(e)); }
}
for (const name of ["bad", "b", "c"]) {
  try { await using one = await open(name); out.push(one.name); } catch (e) { out.push(String(e)); }
}
for (const name of ["a", "bad", "c"]) for (const late of [false, true]) {
  try {
    using one = await open(name);
    await using two = await open(one.name + "2");
    if (late && name === "a") throw new Error("late");
    out.push(two.name);
  } catch (e) { out.push(String(e)); }
}
console.log(out.join(" "));
`;
const right = "Error: bad b c Error: bad b c a2 Error: late Error: bad Error: bad c2 c2";

/** Runs a text as a file under tsx, from the project's root. */
function underTsx(name: string, text: string) {
  const file = join(folder, name);
  writeFileSync(file, text);
  const run = spawnSync(process.execPath, [require.resolve("tsx/cli"), file], { encoding: "utf8" });
  return { file, ...run };
}

describe("using in a loop that catches", () => {
  test("throws only the errors of its own iteration under this project's tsx", () => {
    expect(underTsx("loops.mts", loops).stdout.trim()).toBe(right);
  });

  test("still needs the correction; if this fails, delete scripts/esbuild", async () => {
    const esbuild = require("esbuild-upstream") as Esbuild;
    const { code } = await esbuild.transform(loops, { loader: "ts", target: "node20" });
    expect(underTsx("upstream.mjs", code).stdout.trim()).not.toBe(right);
  });

  test("keeps the lines and columns of stack traces", () => {
    const { file, stderr } = underTsx(
      "trace.mts",
      "{ using _ = null; }\nfunction fail() { throw new Error('here'); }\n{ using _ = null; fail(); }\n",
    );
    expect(stderr).toContain(`${file}:2:25`);
    expect(stderr).toContain(`${file}:3:19`);
  });
});

describe("check-using.mjs", () => {
  const turn = (body: string) => `for (const x of xs) { ${body} }`;
  const unsafe = [
    turn("try { using a = f(x); } catch {}"),
    turn("try { await using a = f(x); } catch (e) { g(e); } finally { h(); }"),
    turn("try { if (x) { using a = f(x); } } catch {}"),
    turn("try { for (using a of f(x)) g(a); } catch {}"),
    "while (true) { try { using a = f(); } catch {} }",
  ];
  const safe = [
    turn("using a = f(x);"),
    turn("try { using a = f(x); } finally { g(); }"),
    turn("try { await one(x); } catch {}"),
    turn("try { (() => { using a = f(x); })(); } catch {}"),
    turn("try { g(x); } catch { using a = f(x); }"),
    `try { ${turn("using a = f(x);")} } catch {}`,
    turn("try { const a = f(x); } catch {}"),
  ];

  function check(name: string, text: string) {
    const file = join(folder, name);
    writeFileSync(file, text);
    const run = spawnSync(process.execPath, ["scripts/check-using.mjs", file], {
      encoding: "utf8",
    });
    const lines = [...run.stdout.matchAll(/:(\d+): `using` in a loop/g)].map(([, n]) => Number(n));
    return { lines, status: run.status, stderr: run.stderr };
  }

  test("finds every unsafe form, and nothing else", () => {
    const text = [...safe, ...unsafe].join("\n");
    const lines = unsafe.map((_, i) => safe.length + 1 + i);
    expect(check("code.mts", text)).toEqual({ lines, status: 1, stderr: "" });
    expect(check("safe.mts", safe.join("\n"))).toEqual({ lines: [], status: 0, stderr: "" });
  });

  test("checks the examples of a page", () => {
    const page = `text\n\`\`\`ts\n${unsafe[0]}\n\`\`\`\n${unsafe[0]}\n\`\`\`text\n${unsafe[0]}\n\`\`\`\n`;
    expect(check("page.md", page)).toMatchObject({ lines: [3], status: 1 });
  });
});
