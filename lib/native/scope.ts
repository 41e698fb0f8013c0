import { AsyncLocalStorage } from "node:async_hooks";

/**
 * The owner of everything created while a function runs: `tidy` and hooks dispose what was created
 * inside and not returned. A scope follows asynchronous calls (`AsyncLocalStorage`), so concurrent
 * requests never dispose each other's tensors.
 */
export interface Scope {
  /** The hook call that this scope belongs to; 0 for `tidy`. */
  readonly callId: number;
  /** Undefined until the first item, because most hooks create nothing. */
  created: Set<Disposable> | undefined;
  /** Items kept during a hook: they may share memory with its borrowed activation. */
  kept: Set<Disposable> | undefined;
  readonly parent: Scope | undefined;
  closed: boolean;
}

const storage = new AsyncLocalStorage<Scope>();
const owners = new WeakMap<Disposable, Scope>();
let open = 0;

/** The innermost open scope. It costs one comparison if no scope is open. */
export function currentScope(): Scope | undefined {
  if (open === 0) return undefined;
  let scope = storage.getStore();
  // Work that outlives its scope belongs to the nearest open scope around it.
  while (scope?.closed) scope = scope.parent;
  return scope;
}

/** The hook call that this code runs in (0 outside hooks), for `ctx.call` of native tasks. */
export function currentCall(): number {
  for (let scope = currentScope(); scope !== undefined; scope = scope.parent) {
    if (scope.callId !== 0 && !scope.closed) return scope.callId;
  }
  return 0;
}

/** Adds `item` to the current scope, which disposes it unless it is returned or disowned. */
export function own(item: Disposable): void {
  const scope = currentScope();
  if (scope !== undefined) enter(item, scope);
}

/** Removes `item` from its scope after it was disposed, kept or moved into a container. */
export function disown(item: Disposable): void {
  if (open === 0) return;
  owners.get(item)?.created?.delete(item);
  owners.delete(item);
}

/** Removes `item` from its scope for good, and records in every enclosing hook that it outlives the hook. */
export function keepBeyond(item: Disposable): void {
  disown(item);
  for (let scope = currentScope(); scope !== undefined; scope = scope.parent) {
    if (scope.callId === 0 || scope.closed) continue;
    scope.kept ??= new Set();
    scope.kept.add(item);
  }
}

/** Opens a scope inside `parent`. The caller must call `closeScope`. */
export function openScope(callId: number, parent = currentScope()): Scope {
  open++;
  return { callId, created: undefined, kept: undefined, parent, closed: false };
}

/** Runs `fn`, and everything that it awaits, with `scope` as the current scope. */
export function runInScope<T, Args extends unknown[]>(
  scope: Scope,
  fn: (...args: Args) => T,
  ...args: Args
): T {
  return storage.run(scope, fn, ...args);
}

/**
 * Disposes everything created in `scope` except the items in `result`, which move to the enclosing
 * scope. It looks inside arrays, maps, sets and plain objects. A class that holds tensors owns itself
 * (`own(this)`) and disowns its parts.
 */
export function closeScope(scope: Scope, result: unknown): void {
  if (scope.closed) return;
  const { created } = scope;
  scope.closed = true;
  scope.created = undefined;
  scope.kept = undefined;
  open--;
  if (created === undefined || created.size === 0) return;
  const survivors = new Set<unknown>();
  collect(result, survivors);
  let parent = scope.parent;
  while (parent?.closed) parent = parent.parent;
  for (const item of created) {
    owners.delete(item);
    if (!survivors.has(item)) item[Symbol.dispose]();
    else if (parent !== undefined) enter(item, parent);
  }
}

/**
 * Runs `fn`, then disposes every tensor, feature set and cache created inside, unless it was returned
 * (also inside arrays and plain objects) or kept with `keep()`. `fn` may be asynchronous.
 *
 * @example
 * using x = tensor([-3, 1, 2]);
 * using loud = tidy(() => x.mul(2).add(1).abs().max()); // three intermediates are freed
 * console.log(loud.item()); // 5
 *
 * @throws the error of `fn`, after disposing everything created inside
 */
export function tidy<T>(fn: () => T): T {
  const scope = openScope(0);
  let result: T;
  try {
    result = runInScope(scope, fn);
  } catch (error) {
    closeScope(scope, undefined);
    throw error;
  }
  if (!isThenable(result)) {
    closeScope(scope, result);
    return result;
  }
  return Promise.resolve(result).then(
    (value) => {
      closeScope(scope, value);
      return value;
    },
    (error: unknown) => {
      closeScope(scope, undefined);
      throw error;
    },
  ) as T;
}

/** Whether `await` would wait for a value: it has a `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== "object" && typeof value !== "function") return false;
  return value !== null && typeof (value as { then?: unknown }).then === "function";
}

function enter(item: Disposable, scope: Scope): void {
  scope.created ??= new Set();
  scope.created.add(item);
  owners.set(item, scope);
}

function collect(value: unknown, into: Set<unknown>): void {
  if (typeof value !== "object" || value === null || into.has(value)) return;
  into.add(value);
  if (Array.isArray(value) || value instanceof Set) {
    for (const part of value) collect(part, into);
  } else if (value instanceof Map) {
    for (const part of value.values()) collect(part, into);
  } else {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      for (const part of Object.values(value)) collect(part, into);
    }
  }
}
