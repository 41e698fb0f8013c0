/**
 * Xet's first form of a reconstruction, for storage that does not have the second yet. The library reads
 * the second only, so the first is rewritten.
 */

interface ReconstructionV1 {
  readonly offset_into_first_range: number;
  readonly terms: readonly unknown[];
  readonly fetch_info: Readonly<
    Record<
      string,
      readonly { readonly range: Range; readonly url: string; readonly url_range: Range }[]
    >
  >;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The URL of the first form for a URL of the second; undefined for any other URL. */
export function firstForm(url: URL): URL | undefined {
  if (!url.pathname.includes("/v2/reconstructions/")) return undefined;
  const first = new URL(url);
  first.pathname = url.pathname.replace("/v2/reconstructions/", "/v1/reconstructions/");
  return first;
}

/** An answer of the first form as one of the second: each range becomes an entry. */
export async function asSecondForm(response: Response): Promise<Response> {
  const { offset_into_first_range, terms, fetch_info } =
    (await response.json()) as ReconstructionV1;
  const xorbs = Object.fromEntries(
    Object.entries(fetch_info).map(([hash, entries]) => [
      hash,
      entries.map(({ range, url, url_range }) => ({
        url,
        ranges: [{ chunks: range, bytes: url_range }],
      })),
    ]),
  );
  return Response.json({ offset_into_first_range, terms, xorbs });
}
