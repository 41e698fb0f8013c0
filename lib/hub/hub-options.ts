/** Options of everything that reads from the Hugging Face hub. */
export interface HubReadOptions {
  /** The cache folder. Default: the one that HF_HUB_CACHE or HF_HOME names, shared with Python. */
  readonly cacheDir?: string | undefined;
  /** Use only what is cached. Default: as HF_HUB_OFFLINE says. */
  readonly offline?: boolean | undefined;
  /** The access token; false sends none. Default: HF_TOKEN, else the file that `hf auth login` wrote. */
  readonly token?: string | false | undefined;
  /** Called while bytes arrive, at most ten times a second for each file, and at its end. */
  readonly onProgress?: ((progress: HubProgress) => void) | undefined;
  /** Aborts the call, which rejects with `signal.reason`; the parts stay for the next call. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a download is. */
export interface HubProgress {
  /** The repository, such as "google/gemma-2-2b". */
  readonly repo: string;
  /** The file in the repository. */
  readonly path: string;
  /** Bytes of this file that are on the disk. */
  readonly done: number;
  /** Bytes of the whole file. */
  readonly total: number;
  /** The same for all files of the call that are not cached. */
  readonly overall: {
    /** Bytes that are on the disk. */
    readonly done: number;
    /** Bytes of all. */
    readonly total: number;
  };
  /** Another process that fetches the same file, while the call waits for it. */
  readonly waitingFor?: string;
}

/** A file of a repository. */
export interface RepoFile {
  /** Such as "google/gemma-2-2b". */
  readonly repo: string;
  /** Default "model". */
  readonly repoType?: RepoType | undefined;
  /** A branch, tag or commit. Default "main". */
  readonly revision?: string | undefined;
  /** Below the repository's root, with "/" between folders. */
  readonly path: string;
}

export type RepoType = "model" | "dataset" | "space";
