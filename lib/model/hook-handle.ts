/** A hook that stays on a model until it is disposed. */
export class HookHandle implements Disposable {
  readonly #remove: () => void;

  /** @internal */
  constructor(remove: () => void) {
    this.#remove = remove;
  }

  /** Takes the hook off; runs that have begun keep it. */
  dispose(): void {
    this.#remove();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
