/** A seeded generator (sfc32, seeded by an FNV-1a hash): the same choices on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    let hash = 0x811c9dc5;
    const next = (salt: string): number => {
      for (const char of salt + seed) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
      return hash >>> 0;
    };
    [this.#a, this.#b, this.#c] = [next("a"), next("b"), next("c")];
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** 32 random bits. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** An integer in 0 ≤ n < limit; 0 for an empty range. */
  below(limit: number): number {
    return limit < 1 ? 0 : Math.floor((this.bits() / 2 ** 32) * limit);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.bits() / 2 ** 32 < probability;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error("pick: expected a list with something in it, got none");
    return list[this.below(list.length)] as T;
  }
}
