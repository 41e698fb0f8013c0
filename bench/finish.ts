import type { Tensor } from "../lib/index.js";

/** Frees a result after its work is done: on a GPU a promise resolves while the work still runs. */
export async function finish(result: Tensor): Promise<void> {
  using flat = result.reshape([-1]);
  using last = flat.slice(0, -1);
  if (result.device !== "cpu") await last.read();
  result.dispose();
}
