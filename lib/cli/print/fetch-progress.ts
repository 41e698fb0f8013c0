import type { FetchProgress } from "../../setup/fetch-progress.js";

/** Shows progress on stderr: one line rewritten on a terminal, else a line per step and per tenth. */
export function fetchProgress(): { update(progress: FetchProgress): void; end(): void } {
  const live = process.stderr.isTTY;
  let step = "";
  let tenth = 0;
  const update = (progress: FetchProgress) => {
    const { done, total } = progress;
    const isNew = progress.step !== step;
    if (isNew) {
      if (live && step !== "") process.stderr.write("\n");
      if (!live) process.stderr.write(`gemlens: ${progress.step}\n`);
      step = progress.step;
      tenth = 0;
    }
    const megabytes = done === undefined ? "" : ` ${(done / 1e6).toFixed(0)}`;
    const whole = total === undefined ? "" : ` of ${(total / 1e6).toFixed(0)}`;
    const amount = done === undefined ? "" : `:${megabytes}${whole} MB`;
    if (live) {
      process.stderr.write(`\r\x1b[Kgemlens: ${step}${amount}`);
    } else if (
      done !== undefined &&
      total !== undefined &&
      Math.floor((10 * done) / total) > tenth
    ) {
      tenth = Math.floor((10 * done) / total);
      process.stderr.write(`gemlens: ${step}${amount}\n`);
    }
  };
  return { update, end: () => live && step !== "" && process.stderr.write("\n") };
}
