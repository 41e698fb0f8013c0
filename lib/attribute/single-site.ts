import type { Coder } from "../coder/coder.js";
import { SingleSiteCoder } from "../coder/single-site-coder.js";
import { siteNames } from "../coder/site.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

/** Checks that a coder has one read site and one write site. UNSUPPORTED if it has several. */
export function checkSingle(caller: string, coder: Coder, use: string): SingleSiteCoder {
  if (coder instanceof SingleSiteCoder) return coder;
  const { reads, writes } = coder.cfg;
  throw new GemlensError(
    "UNSUPPORTED",
    sentence(
      caller,
      "a coder of one site",
      use,
      `one that reads ${siteNames(reads)} and writes ${siteNames(writes)}`,
    ),
    { reads: reads.length, writes: writes.length },
  );
}
