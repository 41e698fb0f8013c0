// Lists the versions of the system's libraries that an artefact needs, and checks that the oldest
// system that the package supports has them. As a program, it parses the text of `objdump -p -T` on
// standard input.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

// glibc 2.28 with gcc 8's libstdc++ and libgcc (Debian 10, RHEL 8).
export const floors = {
  GLIBC: "2.28",
  GLIBCXX: "3.4.25",
  CXXABI: "1.3.11",
  GCC: "8.0.0",
};

function compare(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}

// No symbol needs it: the loader must know packed relocations, which came with 2.36.
const packedRelocations = "GLIBC_ABI_DT_RELR";

/**
 * The undefined symbols of `objdump -T`'s text that name a version: [{ name, family, version }].
 */
function neededSymbols(text) {
  const pattern = /\*UND\*\s+[0-9a-f]+\s+\(?(GLIBC|GLIBCXX|CXXABI|GCC)_([\w.]+)\)?\s+(\S+)/g;
  return [...text.matchAll(pattern)].map(([, family, version, name]) => ({
    name,
    family,
    version,
  }));
}

/**
 * The newest version needed of each family, and the symbols beyond the floors, from the text of
 * `objdump -p -T`.
 */
export function checkSymbols(text) {
  const newest = {};
  const tooNew = text.includes(packedRelocations) ? [packedRelocations] : [];
  for (const { name, family, version } of neededSymbols(text)) {
    // No system promises GLIBC_PRIVATE.
    if (!/^\d/.test(version)) {
      tooNew.push(`${name}@${family}_${version}`);
      continue;
    }
    if (compare(version, newest[family] ?? "0") > 0) newest[family] = version;
    if (compare(version, floors[family]) > 0) tooNew.push(`${name}@${family}_${version}`);
  }
  return { newest, tooNew };
}

/** `checkSymbols` for a file. */
export function checkFile(file) {
  const run = spawnSync("objdump", ["-p", "-T", file], { encoding: "utf8", maxBuffer: 1e9 });
  if (run.status !== 0) throw new Error(`prebuild: objdump cannot read ${file}`);
  return checkSymbols(run.stdout);
}

if (process.argv[1] === import.meta.filename) {
  console.log(JSON.stringify(checkSymbols(readFileSync(0, "utf8"))));
}
