const tick = 250;
const longest = 1000;

/** Milliseconds that this process ran, without the time for which it was stopped. */
export class RunningTime {
  #sum = 0;
  #last = performance.now();

  constructor() {
    setInterval(() => this.#add(), tick).unref();
  }

  now(): number {
    this.#add();
    return this.#sum;
  }

  #add(): void {
    const now = performance.now();
    this.#sum += Math.min(now - this.#last, longest);
    this.#last = now;
  }
}
