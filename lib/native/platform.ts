const glibcFloor = "2.28";

/** The glibc of this process; undefined on musl and other systems without one. */
export function glibcVersion(): string | undefined {
  const settings = process.report as { excludeNetwork?: boolean };
  const before = settings.excludeNetwork;
  // Without this the report resolves the host's names, which can take seconds.
  settings.excludeNetwork = true;
  try {
    const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return report.header?.glibcVersionRuntime;
  } finally {
    if (before !== undefined) settings.excludeNetwork = before;
  }
}

/** Why libtorch can't run on this platform at all; undefined if it can. */
export function platformProblem(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return `gemlens runs on linux-x64 only; this is ${process.platform}-${process.arch}`;
  }
  const glibc = glibcVersion();
  if (glibc === undefined) {
    return "libtorch needs glibc, and this system has musl (Alpine): use a glibc image, e.g. node:22-bookworm";
  }
  if (glibc.localeCompare(glibcFloor, "en", { numeric: true }) < 0) {
    return `libtorch needs glibc ${glibcFloor} or newer, and this system has ${glibc}`;
  }
  return undefined;
}
