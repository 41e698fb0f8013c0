import { AsyncLocalStorage } from "node:async_hooks";

/**
 * Who owns what is created while a function runs: `tidy` and hooks dispose what was created inside
 * and not handed out. A scope follows asynchronous calls (`AsyncLocalStorage`), so two requests that
 * run at the same time never dispose each other's tensors.
 */
export interface Scope {
  /** The hook call that this scope belongs to; 0 for `tidy`. */
  readonly callId: number;
  /** Made when there is something in it, as most hooks create and keep nothing. */
  created: Set<Disposable> | undefined;
  /** What was kept while a hook ran: it may share memory with what was lent to that hook. */
  kept: Set<Disposable> | undefined;
  readonly parent: Scope | undefined;
  closed: boolean;
}

const storage = new AsyncLocalStorage<Scope>();
const owners = new WeakMap<Disposable, Scope>();
let open = 0;

/** The innermost open scope; costs one comparison while no scope is open anywhere. */
export function currentScope(): Scope | undefined {
  if (open === 0) return undefined;
  let scope = storage.getStore();
  // Work that outlives its scope belongs to whatever is still open around it.
  while (scope?.closed) scope = scope.parent;
  return scope;
}

/** The hook call that this code runs in, 0 outside hooks: `ctx.call` of the native tasks. */
export function currentCall(): number {
  for (let scope = currentScope(); scope !== undefined; scope = scope.parent) {
    if (scope.callId !== 0 && !scope.closed) return scope.callId;
  }
  return 0;
}

/** Enters `item` in the current scope, which will dispose it unless it is returned or disowned. */
export function own(item: Disposable): void {
  const scope = currentScope();
  if (scope !== undefined) enter(item, scope);
}

/** Takes `item` out of its scope: because it was disposed, kept, or became part of a container. */
export function disown(item: Disposable): void {
  if (open === 0) return;
  owners.get(item)?.created?.delete(item);
  owners.delete(item);
}

/** Takes `item` out of its scope for good, and tells every hook around that it will outlive it. */
export function keepBeyond(item: Disposable): void {
  disown(item);
  for (let scope = currentScope(); scope !== undefined; scope = scope.parent) {
    if (scope.callId === 0 || scope.closed) continue;
    scope.kept ??= new Set();
    scope.kept.add(item);
  }
}

/** Opens a scope inside `parent`; `closeScope` must follow. */
export function openScope(callId: number, parent = currentScope()): Scope {
  open++;
  return { callId, created: undefined, kept: undefined, parent, closed: false };
}

/** Runs `fn` with `scope` as its current scope, and everything that `fn` awaits. */
export function runInScope<T, Args extends unknown[]>(
  scope: Scope,
  fn: (...args: Args) => T,
  ...args: Args
): T {
  return storage.run(scope, fn, ...args);
}

/**
 * Disposes what was created in `scope`, except what is found in `result`, which passes to the scope
 * around it. Looks inside arrays, maps, sets and plain objects; a class that holds tensors owns
 * itself (`own(this)`) and disowns its parts.
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
 * Runs `fn` and disposes every tensor, feature set and cache created inside it that is neither
 * returned (also inside arrays and plain objects) nor kept with `keep()`. `fn` may be asynchronous.
 *
 * @example
 * using x = tensor([-3, 1, 2]);
 * using loud = tidy(() => x.mul(2).add(1).abs().max()); // three intermediates are freed
 * console.log(loud.item()); // 5
 *
 * @throws what `fn` throws, after everything created inside was disposed
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

/** Anything with a `then`: what `await` would wait for. */
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
