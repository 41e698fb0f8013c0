import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const script = join(import.meta.dirname, "../../scripts/prebuild/symbols.mjs");

/** The script's answer to the text of `objdump -p -T`. */
const checkSymbols = (text: string): { newest: object; tooNew: string[] } =>
  JSON.parse(spawnSync(process.execPath, [script], { input: text, encoding: "utf8" }).stdout);

/** A line of `objdump -T` for a symbol that the file needs. */
const needs = (version: string, name: string) =>
  `0000000000000000      DF *UND*\t0000000000000000 ${version} ${name}\n`;

test("passes old symbols, with the newest version of each family", () => {
  const text = [
    needs("(GLIBC_2.2.5)", "malloc"),
    needs("(GLIBC_2.14)", "memcpy"),
    needs(" GLIBC_2.28 ", "fcntl64"),
    needs("(GLIBCXX_3.4.22)", "_ZTINSt6thread6_StateE"),
    needs("(CXXABI_1.3.11)", "__cxa_init_primary_exception"),
    needs("(GCC_3.0) ", "_Unwind_Resume"),
    needs(" Base       ", "at_quick_exit"),
    // The library's own symbol, in a family without a floor.
    "0000000000001120 g    DF .text\t0000000000000010 GLIBC_2.99  ours\n",
    needs("(GOMP_4.0)", "GOMP_parallel"),
  ].join("");
  expect(checkSymbols(text)).toEqual({
    newest: { GLIBC: "2.28", GLIBCXX: "3.4.22", CXXABI: "1.3.11", GCC: "3.0" },
    tooNew: [],
  });
});

test("names each symbol beyond the floor", () => {
  const text = [
    needs("(GLIBC_2.29)", "exp"),
    needs("(GLIBC_2.34)", "dlopen"),
    needs("(GLIBCXX_3.4.26)", "_ZNSt10filesystem4pathC1Ev"),
    needs("(CXXABI_1.3.13)", "_ZdlPvm"),
    needs("(GLIBC_2.9)", "pipe2"),
  ].join("");
  expect(checkSymbols(text).tooNew).toEqual([
    "exp@GLIBC_2.29",
    "dlopen@GLIBC_2.34",
    "_ZNSt10filesystem4pathC1Ev@GLIBCXX_3.4.26",
    "_ZdlPvm@CXXABI_1.3.13",
  ]);
});

test("requires a newer loader for packed relocations, which no symbol shows", () => {
  const references = "  required from libc.so.6:\n    0x0b792650 0x00 08 GLIBC_ABI_DT_RELR\n";
  expect(checkSymbols(references).tooNew).toEqual(["GLIBC_ABI_DT_RELR"]);
});
