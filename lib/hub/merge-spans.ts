/** Bytes `[start, end)`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface MergedSpan<T> extends Span {
  readonly members: readonly T[];
}

/** A gap of this many bytes costs less than another request. */
const widestGap = 4096;

/** Spans that overlap or lie close, as one; in the order of their places. */
export function mergeSpans<T extends Span>(spans: readonly T[]): MergedSpan<T>[] {
  const merged: { start: number; end: number; members: T[] }[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && span.start - last.end <= widestGap) {
      last.end = Math.max(last.end, span.end);
      last.members.push(span);
    } else {
      merged.push({ ...span, members: [span] });
    }
  }
  return merged;
}
