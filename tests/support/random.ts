/** Random choices that a seed repeats on every machine: mulberry32 (Ettinger 2017). */
export class Random {
  #state: number;

  /** A text is hashed (FNV-1a, 32 bits) to the number that seeds the generator. */
  constructor(seed: number | string) {
    this.#state = (typeof seed === "number" ? seed : hash(seed)) >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** 32 random bits. */
  bits(): number {
    return this.next() * 2 ** 32;
  }

  /** An integer in [0, limit); 0 for an empty range. */
  below(limit: number): number {
    return limit < 1 ? 0 : Math.floor(this.next() * limit);
  }

  /** An integer in [low, high). */
  integer(low: number, high: number): number {
    return low + this.below(high - low);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error("pick: expected a list with something in it, got none");
    return list[this.below(list.length)] as T;
  }

  /** `count` different entries of a list, drawn in turn. */
  draw<T>(entries: readonly T[], count: number): T[] {
    const left = [...entries];
    return Array.from({ length: count }, () => left.splice(this.below(left.length), 1)[0] as T);
  }

  /** `count` numbers of mean 0 and standard deviation 1 (Box and Muller). */
  normals(count: number): Float64Array {
    return Float64Array.from({ length: count }, () => {
      const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
      return radius * Math.cos(2 * Math.PI * this.next());
    });
  }
}

function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (const char of text) sum = Math.imul(sum ^ char.charCodeAt(0), 0x01000193);
  return sum;
}
