// The check of the prose: every phrase of its list fails, with its file and line, and code passes.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fromYAMLFilePath } from "prh";
import { afterAll, describe, expect, test } from "vitest";

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

/** Runs the check over a folder of these files; a file's text may be its lines. */
function check(files: Record<string, string | readonly string[]>, ...more: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "gemlens-prose-"));
  made.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof text === "string" ? text : text.join("\n"));
  }
  const command = ["scripts/check-prose.mjs", folder, ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  expect(stderr).toBe("");
  return { status, lines: stdout.trimEnd().split("\n") };
}

const rules = fromYAMLFilePath("scripts/prose/words.yml").rules;
const examples = rules.flatMap((rule) =>
  rule.specs.map(({ from, to }) => ({ from, to, say: rule.expected as string })),
);
const wrong = examples.filter(({ from, to }) => from !== to);
const right = examples.filter(({ from, to }) => from === to);

describe("the check of the prose", () => {
  test("fails on each of its phrases, in pages and comments", () => {
    for (const { expected } of rules) expect(wrong.map(({ say }) => say)).toContain(expected);
    const comment = (phrase: string) => (phrase.startsWith("/**") ? phrase : `// ${phrase}`);
    const forms: Record<string, (phrase: string) => string> = {
      "README.md": (phrase) => phrase,
      "docs/page.md": (phrase) => `> [${phrase}](a.md)`,
      "lib/a.ts": comment,
      "native/a.cc": (phrase) => `int a; ${comment(phrase)}`,
    };
    const files = Object.entries(forms).map(([name, form]) => [
      name,
      wrong.flatMap(({ from }) => [form(from), ""]),
    ]);
    const { status, lines } = check(Object.fromEntries(files));
    expect(status).toBe(1);
    for (const name of Object.keys(forms)) {
      const findings = lines.filter((line) => line.startsWith(`${name}:`) && line.includes("say"));
      expect(findings.map((line) => line.replace(/"[^"]*": /, ""))).toEqual(
        wrong.map(({ say }, i) => `${name}:${2 * i + 1}: say "${say}"`),
      );
    }
  });

  test("passes correct words, code, literals of code, fixtures and packages", () => {
    const { status, lines } = check({
      "README.md": ["Clean, with `a row besides` and a fence:", "", "```ts", "// besides", "```"],
      "docs/page.md": right.map(({ from }) => `${from}\n`),
      "docs/api/page.md": "besides",
      "lib/a.ts": [
        '/** Its example: `besides("//")`.',
        " * ```ts",
        " * besides(); // besides",
        " * ```",
        " */",
        'export const besides = ["/*besides*/", /[/*] so many "besides/]; // Clean.',
      ],
      "native/a.cc": [
        "int besides = 1'000; // Clean.",
        'const char* kText = R"(" //besides)";',
        "char besides = '\"'; /* `besides` */ char quote = '\\'';",
      ],
      "tests/a.test.ts": `\`the rows behind // \${"/* besides"} besides */ all the same\`;`,
      "tests/fixtures/a.md": "besides",
      "scripts/esbuild/node_modules/a/README.md": "besides",
    });
    expect(lines).toEqual(["prose: clean"]);
    expect(status).toBe(0);
  });

  test("finds a phrase over a line's end, at its first line, and a message of the library", () => {
    const { lines } = check({
      "lib/a.ts": [
        "/**",
        " * What it takes, as a",
        " * rule. `code` besides",
        " */",
        "fail(`row",
        `\${row} is the row behind \${last}\`); // Clean.`,
      ],
      "native/a.h": ["int a = 1;", "/* A row", " * behind it. */", 'fail("a row behind it");'],
    });
    expect(lines).toEqual([
      'lib/a.ts:1: "/** What": say "the name of the thing: "Options for …""',
      'lib/a.ts:2: "as a rule": say "usually"',
      'lib/a.ts:3: "besides": say "also"',
      'lib/a.ts:6: "behind": say "after / beyond"',
      'native/a.h:3: "behind": say "after / beyond"',
      'native/a.h:4: "behind": say "after / beyond"',
      "lib: 4",
      "native: 2",
      "prose: 6 findings",
    ]);
  });

  test("counts by folder", () => {
    const files = {
      "README.md": "behind, besides",
      "tests/a.mjs": "// behind",
      "bench/b.ts": "//",
    };
    const { status, lines } = check(files, "--count");
    expect(lines).toEqual(["README.md: 2", "tests: 1", "prose: 3 findings"]);
    expect(status).toBe(1);
  });
});
