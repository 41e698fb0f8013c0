import type { CoderConfig } from "./coder-config.js";

/** Which coder something is about, as `JSON.stringify` writes it. */
export type CoderReference = {
  /** The first hook that it reads. */
  readonly hook: string;
  /** Number of features. */
  readonly dSae: number;
} & (
  | {
      /** Such as `gemma-scope-2b-pt-res`. */
      readonly release: string;
      /** Such as `layer_20/width_16k/average_l0_71`. */
      readonly id: string;
    }
  | {
      /** The file or folder it was loaded from, as given. */
      readonly path: string;
    }
);

export function referenceOf({ release, saeId, path, reads, dSae }: CoderConfig): CoderReference {
  const shared = { hook: reads[0]?.hookName ?? "", dSae };
  if (release !== undefined && saeId !== undefined) return { release, id: saeId, ...shared };
  return { path, ...shared };
}
