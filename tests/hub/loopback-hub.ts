/**
 * A hub on this machine that speaks the real protocol: resolve with a relative redirect for small files
 * and a signed link to another host for large ones, Xet storage on a third, errors by X-Error-Code.
 */

import { createHash, randomBytes } from "node:crypto";
import type { ServerOptions } from "node:https";
import {
  type Answer,
  type Asked,
  Faults,
  type LoopbackServer,
  ranged,
  serve,
} from "./loopback-server.js";
import { type XetOptions, XetStorage } from "./loopback-xet.js";

export interface FileOptions {
  /** Stored by git itself, with a sha1, as small text files are. */
  readonly small?: boolean;
  readonly xet?: XetOptions;
}

interface StoredFile {
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly small: boolean;
  readonly xetHash: string | undefined;
}

interface Repo {
  /** By commit, then path. */
  readonly commits: Map<string, Map<string, StoredFile>>;
  readonly refs: Map<string, string>;
  access: "public" | "gated" | "private";
}

const fileUrl = /^\/(?:(datasets|spaces)\/)?([\w.-]+\/[\w.-]+)\/resolve\/([^/]+)\/(.+)$/;
const cacheUrl =
  /^\/api\/resolve-cache\/(models|datasets|spaces)\/([\w.-]+\/[\w.-]+)\/([0-9a-f]{40})\/(.+)$/;
const tokenUrl = /^\/api\/(models|datasets|spaces)\/([\w.-]+\/[\w.-]+)\/xet-read-token\/(.+)$/;

export class LoopbackHub {
  /** The requests so far, and the faults to come. */
  readonly faults = new Faults();
  /** The only token that may read what is gated or private. */
  readonly token = `hf_${randomBytes(20).toString("hex")}`;
  readonly #repos = new Map<string, Repo>();
  readonly #links = new Set<string>();
  readonly #issued: string[] = [];
  readonly #servers: LoopbackServer[] = [];
  readonly xet = new XetStorage(this.faults);
  endpoint = "";
  cdn = "";

  static async start(tls?: ServerOptions): Promise<LoopbackHub> {
    const hub = new LoopbackHub();
    const placeOf = (method: string, { pathname }: URL) => {
      if (tokenUrl.test(pathname)) return "xet-token" as const;
      return method === "HEAD" ? ("head" as const) : ("resolve" as const);
    };
    // Separate hosts, as in the world: clients distinguish them by name, some without the port.
    const answer = (asked: Asked) => hub.#answer(asked);
    const stored = (asked: Asked) => hub.#stored(asked);
    const main = await serve(hub.faults, placeOf, answer, "127.0.0.1", tls);
    const cdn = await serve(hub.faults, () => "cdn", stored, "127.0.0.2", tls);
    hub.endpoint = main.origin;
    hub.cdn = cdn.origin;
    hub.#servers.push(main, cdn, await hub.xet.start(tls));
    return hub;
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  /** Everything that must never be seen outside of requests. */
  get secrets(): string[] {
    return [this.token, ...this.#issued, ...this.xet.secrets];
  }

  /** Adds a commit with these files and those of the last one, and points `main` to it. */
  commit(
    repo: string,
    files: Readonly<Record<string, Uint8Array | string>>,
    options: FileOptions = {},
    branch = "main",
  ): string {
    const known = this.#repos.get(repo) ?? {
      commits: new Map(),
      refs: new Map(),
      access: "public",
    };
    const last = known.commits.get(known.refs.get(branch) ?? "") ?? new Map();
    const all = new Map<string, StoredFile>(last);
    for (const [path, content] of Object.entries(files)) {
      all.set(path, this.#store(Buffer.from(content), options));
    }
    const commit = createHash("sha1").update(`${repo} ${known.commits.size}`).digest("hex");
    known.commits.set(commit, all);
    known.refs.set(branch, commit);
    this.#repos.set(repo, known as Repo);
    return commit;
  }

  access(repo: string, access: Repo["access"]): void {
    (this.#repos.get(repo) as Repo).access = access;
  }

  etag(repo: string, path: string, branch = "main"): string {
    const { commits, refs } = this.#repos.get(repo) as Repo;
    return commits.get(refs.get(branch) ?? branch)?.get(path)?.etag as string;
  }

  /** Signed links that were given out are refused from now on. */
  expireLinks(): void {
    this.#links.clear();
    this.xet.expireLinks();
  }

  #store(bytes: Uint8Array, { small = false, xet }: FileOptions): StoredFile {
    const git = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const xetHash = xet === undefined ? undefined : this.xet.add(bytes, xet);
    return { bytes, etag: small ? git : sha256, small, xetHash };
  }

  #answer(asked: Asked): Answer {
    const { pathname } = asked.url;
    const cached = cacheUrl.exec(pathname);
    if (cached !== null) return this.#small(asked, cached);
    const token = tokenUrl.exec(pathname);
    if (token !== null) {
      const refused = this.#refusal(asked, token[2] as string);
      return refused ?? this.xet.tokenAnswer();
    }
    const [, type = "models", repo = "", revision = "", path = ""] = fileUrl.exec(pathname) ?? [];
    return this.#resolve(asked, type, repo, decodeURIComponent(revision), decodeURIComponent(path));
  }

  #refusal({ headers }: Asked, name: string): Answer | undefined {
    const repo = this.#repos.get(name);
    const bearer = headers.authorization;
    if (bearer !== undefined && bearer !== `Bearer ${this.token}`) {
      return fail(401, undefined, "Invalid credentials in Authorization header");
    }
    const may = bearer !== undefined;
    if (repo === undefined || (repo.access === "private" && !may)) {
      return fail(may ? 404 : 401, "RepoNotFound", "Repository not found");
    }
    if (repo.access === "gated" && !may) return fail(401, "GatedRepo", "Access is restricted");
    return undefined;
  }

  #resolve(asked: Asked, type: string, name: string, revision: string, path: string): Answer {
    const refused = this.#refusal(asked, name);
    if (refused !== undefined) return refused;
    const repo = this.#repos.get(name) as Repo;
    const commit = repo.refs.get(revision) ?? revision;
    const files = repo.commits.get(commit);
    if (files === undefined) return fail(404, "RevisionNotFound", "Invalid rev id");
    const file = files.get(path);
    if (file === undefined) {
      return fail(404, "EntryNotFound", "Entry not found", { "x-repo-commit": commit });
    }
    const headers = { "x-repo-commit": commit, "x-linked-size": `${file.bytes.length}` };
    if (file.small) {
      const location = `/api/resolve-cache/${type}/${name}/${commit}/${encodeURIComponent(path)}`;
      return { status: 307, headers: { ...headers, location } };
    }
    const xet =
      file.xetHash === undefined ? {} : this.#xetHeaders(type, name, commit, file.xetHash);
    return {
      status: 302,
      headers: {
        ...headers,
        ...xet,
        "x-linked-etag": `"${file.etag}"`,
        location: this.#sign(file.etag),
      },
    };
  }

  #small(asked: Asked, [, , name = "", commit = "", path = ""]: readonly string[]): Answer {
    const refused = this.#refusal(asked, name);
    if (refused !== undefined) return refused;
    const file = this.#repos.get(name)?.commits.get(commit)?.get(decodeURIComponent(path));
    if (file === undefined) return fail(404, "EntryNotFound", "Entry not found");
    return ranged(asked, file.bytes, { "x-repo-commit": commit, etag: `"${file.etag}"` });
  }

  #xetHeaders(type: string, repo: string, commit: string, hash: string): Record<string, string> {
    const auth = `${this.endpoint}/api/${type}/${repo}/xet-read-token/${commit}`;
    // The hub names the first form of reconstructions, and storage has both.
    const reconstruction = `${this.xet.origin}/v1/reconstructions/${hash}`;
    return {
      "x-xet-hash": hash,
      link: `<${auth}>; rel="xet-auth", <${reconstruction}>; rel="xet-reconstruction-info"`,
    };
  }

  #sign(etag: string): string {
    const signature = randomBytes(24).toString("hex");
    this.#issued.push(signature);
    this.#links.add(signature);
    return `${this.cdn}/repos/ab/${etag}?Expires=1&Signature=${signature}&Key-Pair-Id=K`;
  }

  /** Knows no token: one that is sent here has leaked. */
  #stored(asked: Asked): Answer {
    const { searchParams, pathname } = asked.url;
    if (asked.headers.authorization !== undefined) return { status: 400, body: "token leaked" };
    if (!this.#links.has(searchParams.get("Signature") ?? "")) {
      return { status: 403, body: "<Error>Request has expired</Error>" };
    }
    const etag = pathname.split("/").at(-1);
    const files = [...this.#repos.values()].flatMap(({ commits }) => [...commits.values()]);
    const file = files.flatMap((all) => [...all.values()]).find((one) => one.etag === etag);
    if (file === undefined) return { status: 404 };
    // Storage has its own ETag, which is not the file's name in the cache.
    return ranged(asked, file.bytes, {
      etag: `"${createHash("md5").update(file.bytes).digest("hex")}"`,
    });
  }
}

function fail(
  code: number,
  error: string | undefined,
  message: string,
  headers: Record<string, string> = {},
): Answer {
  const name: Record<string, string> = error === undefined ? {} : { "x-error-code": error };
  return {
    status: code,
    headers: { ...headers, ...name, "x-error-message": message },
    body: message,
  };
}
