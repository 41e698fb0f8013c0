/** A hook that stays on a model until the handle is disposed. */
export class HookHandle implements Disposable {
  readonly #remove: () => void;

  /** @internal */
  constructor(remove: () => void) {
    this.#remove = remove;
  }

  /** Removes the hook; runs that have already started keep it. */
  dispose(): void {
    this.#remove();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
