import { inspect } from "node:util";
import { DisposedError } from "../errors/disposed-error.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { shortly } from "../errors/show-value.js";
import type { DtypeName, NativeTypedArray, TensorHandle } from "../native/addon.js";
import { call, native, task } from "../native/call.js";
import { compareTensors, nextIdentity } from "../native/identity.js";
import { disown, keepBeyond, own } from "../native/scope.js";
import { describeTensor } from "./describe.js";
import { dtypeBytes } from "./dtype.js";
import type { Device, TensorMethods } from "./methods.js";
import { type Nested, nest } from "./nest.js";
import { attachMethods, nativeOperations, type TensorAccess } from "./operation.js";
import type { Origin } from "./origin.js";
import { type TensorJson, tensorToJson } from "./tensor-json.js";

/** The result of `read()`: bfloat16 and float16 widen to Float32Array, bool is 0 or 1. */
export type TensorData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** The typed array for elements of a dtype. */
export type ArrayOf<Dtype extends DtypeName> = Dtype extends "float32" | "bfloat16" | "float16"
  ? Float32Array
  : Dtype extends "float64"
    ? Float64Array
    : Dtype extends "int32"
      ? Int32Array
      : Dtype extends "int64"
        ? BigInt64Array
        : Uint8Array;

/**
 * Friend access: the static block of a class assigns `access`, functions that see its private fields,
 * and `@internal` functions of the library call them.
 */
interface Access extends TensorAccess {
  lend(handle: TensorHandle): Tensor;
  endLoan(tensor: Tensor, handle: TensorHandle): void;
}
/** @internal */
export let access!: Access;

declare const axes: unique symbol;
interface Phantom<Axes> {
  of(axes: Axes): void;
}

/**
 * A tensor in libtorch's memory. `Axes` names its dimensions for the type checker, for example
 * `Tensor<["batch", "pos", "d_model"]>`; a plain `Tensor` fits everywhere and is checked at run time.
 *
 * Its memory is freed by `dispose()` or `using`, at the end of the `tidy` or hook that created it, or
 * else some time after it becomes unreachable.
 *
 * Operations run synchronously on the calling thread and return new tensors, unless their name ends in
 * "_". They throw ARGUMENT if operands do not fit (shapes, element types, devices) or a dimension or
 * index is out of range, DISPOSED if a tensor was disposed, and OUT_OF_MEMORY. In-place operations also
 * throw BUSY while queued work uses the tensor, and ARGUMENT for a model's or coder's parameter.
 *
 * @example
 * using x = tensor([[1, 2], [3, 4]]);
 * const loudest = tidy(() => x.sub(x.mean({ dim: 1, keepdim: true })).abs().max().item());
 * console.log(loudest, x.data); // 0.5 Float32Array(4) [ 1, 2, 3, 4 ]
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: attachMethods puts them on the prototype
export class Tensor<const Axes extends readonly string[] = readonly string[]> {
  /** @hidden A method's parameter is bivariant: a plain tensor fits named axes and back, other names do not. */
  declare [axes]?: Phantom<Axes>["of"];
  /** @internal */
  protected readonly identity = nextIdentity();
  /** @internal */
  protected readonly compare = compareTensors;
  #handle: TensorHandle | null;
  #shape: readonly number[] | undefined;
  #dtype: DtypeName | undefined;
  #device: Device | undefined;
  #loan: "none" | "lent" | "kept" | "ended" = "none";
  #origin: Origin | undefined;

  private constructor(handle: TensorHandle) {
    this.#handle = handle;
  }

  /** Sizes of the dimensions. */
  get shape(): readonly number[] {
    this.#shape ??= Object.freeze(
      call("shape", (addon) => addon.tensorShape(access.handleOf(this, "shape", "this"))),
    );
    return this.#shape;
  }

  /** The element type. */
  get dtype(): DtypeName {
    this.#dtype ??= call("dtype", (addon) =>
      addon.tensorDtype(access.handleOf(this, "dtype", "this")),
    );
    return this.#dtype;
  }

  /** "cpu" or "cuda:0". */
  get device(): Device {
    this.#device ??= call("device", (addon) =>
      addon.tensorDevice(access.handleOf(this, "device", "this")),
    ) as Device;
    return this.#device;
  }

  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((product, n) => product * n, 1);
  }

  /** Bytes of its elements (a view counts only its own). */
  get nbytes(): number {
    return this.size * dtypeBytes[this.dtype];
  }

  /** Whether the elements lie in row-major order without gaps. */
  get isContiguous(): boolean {
    return call("isContiguous", (addon) =>
      addon.tensorIsContiguous(access.handleOf(this, "isContiguous", "this")),
    );
  }

  /** True after `dispose()`, or after the hook that borrowed it returned. */
  get isDisposed(): boolean {
    return this.#handle === null;
  }

  /**
   * The tensor's own memory as a typed array, without a copy: writing to it changes the tensor.
   * bfloat16 and float16 are Uint16Array bits, bool and uint8 are Uint8Array.
   *
   * @throws DEVICE unless on the CPU
   * @throws ARGUMENT unless contiguous
   * @throws UNSUPPORTED if the runtime forbids arrays over native memory, or one of this length: use
   *   `slice(…).clone()`
   * @throws DISPOSED
   */
  get data(): NativeTypedArray {
    const handle = access.handleOf(this, "data", "this");
    if (this.device !== "cpu") {
      throw new GemlensError(
        "DEVICE",
        sentence(
          "data",
          "a tensor on cpu",
          null,
          this.device,
          '; use await tensor.read() or tensor.to("cpu")',
        ),
        { device: this.device },
      );
    }
    if (!this.isContiguous) {
      throw new GemlensError(
        "ARGUMENT",
        sentence(
          "data",
          "a contiguous tensor",
          null,
          `a strided view of shape [${this.shape.join(", ")}]`,
          "; use tensor.contiguous() or await tensor.read()",
        ),
        { shape: this.shape },
      );
    }
    return call("data", (addon) => addon.tensorData(handle));
  }

  /**
   * Copies the elements in row-major order, optionally converted, after all work queued earlier.
   *
   * @throws DISPOSED
   */
  read(): Promise<TensorData>;
  read<D extends DtypeName>(dtype: D): Promise<ArrayOf<D>>;
  read(dtype?: DtypeName): Promise<NativeTypedArray> {
    return task("read", (addon, ctx) =>
      this.#converted("read", dtype, (handle) => addon.tensorRead(handle, ctx)),
    );
  }

  /** As {@link read}, synchronously on this thread; waits for a GPU. For hooks and small tensors. */
  readSync(): TensorData;
  readSync<D extends DtypeName>(dtype: D): ArrayOf<D>;
  readSync(dtype?: DtypeName): NativeTypedArray {
    return call("readSync", (addon) =>
      this.#converted("readSync", dtype, (handle) => addon.tensorReadSync(handle)),
    );
  }

  /** The elements as nested arrays; the element itself if there are no dimensions. Waits for a GPU. */
  tolist(): Nested {
    const handle = access.handleOf(this, "tolist", "this");
    const data = call("tolist", (addon) => addon.tensorReadSync(handle));
    return nest(data, this.shape, this.dtype);
  }

  /**
   * Shape, dtype and at most 1,000 elements in row-major order, for `JSON.stringify`. NaN and infinities
   * become "NaN", "Infinity" and "-Infinity"; int64 beyond 2⁵³ becomes a string. Waits for a GPU.
   *
   * @example
   * console.log(JSON.stringify(tensor([1, 2]))); // {"shape":[2],"dtype":"float32","values":[1,2]}
   *
   * @throws ARGUMENT if there are more elements; DISPOSED
   */
  toJSON(): TensorJson {
    const { shape, dtype, size } = this;
    return tensorToJson(shape, dtype, size, () => this.readSync());
  }

  /** Frees the memory now, unless views still use it. Any later use throws `DisposedError`. */
  dispose(): void {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    // A borrowed tensor is returned when the hook ends.
    if (this.#loan === "lent" || this.#loan === "kept") return;
    disown(this);
    call("dispose", (addon) => addon.dispose(handle));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Keeps the tensor beyond the `tidy` or hook that would dispose it. A tensor that a hook borrows, or that
   * shares memory with one, gets its own copy when the hook ends.
   *
   * @throws DISPOSED
   */
  keep(): this {
    access.handleOf(this, "keep", "this");
    if (this.#loan === "lent") this.#loan = "kept";
    else keepBeyond(this);
    return this;
  }

  /** Shape, dtype, device and a few values; never throws. */
  toString(): string {
    // Debuggers and test runners also print the prototype.
    return #handle in this ? describeTensor(this.#handle, this.#shape) : "Tensor";
  }

  [inspect.custom](): string {
    return this.toString();
  }

  #converted<T>(caller: string, dtype: DtypeName | undefined, fn: (handle: TensorHandle) => T): T {
    const handle = access.handleOf(this, caller, "this");
    if (dtype === undefined || dtype === this.dtype) return fn(handle);
    const converted = nativeOperations()["to"]?.(handle, dtype, null) as TensorHandle;
    try {
      // A task retains its inputs at the call, so the converted copy can be disposed at once.
      return fn(converted);
    } finally {
      native().dispose(converted);
    }
  }

  static {
    access = {
      isTensor: (value: unknown): value is Tensor =>
        typeof value === "object" && value !== null && #handle in value,

      handleOf(value: unknown, caller: string, argument: string): TensorHandle {
        if (typeof value !== "object" || value === null || !(#handle in value)) {
          throw new GemlensError(
            "ARGUMENT",
            sentence(caller, "a tensor", argument, shortly(value)),
            { argument },
          );
        }
        if (value.#handle !== null) return value.#handle;
        const subject = argument === "this" ? "the tensor" : `the tensor given for ${argument}`;
        if (value.#loan === "ended") {
          const hook = value.#origin?.hook;
          throw new DisposedError(
            `${caller}: ${subject} was borrowed by ${hook ? `the hook at ${hook}` : "a hook"}, which has ` +
              "ended; call keep() inside the hook to use it afterwards",
            { argument, hook },
          );
        }
        throw new DisposedError(`${caller}: ${subject} was disposed`, { argument });
      },

      adopt(handle: TensorHandle): Tensor {
        const tensor = new Tensor(handle);
        own(tensor);
        return tensor;
      },

      lend(handle: TensorHandle): Tensor {
        const tensor = new Tensor(handle);
        tensor.#loan = "lent";
        return tensor;
      },

      endLoan(tensor: Tensor, handle: TensorHandle): void {
        if (tensor.#loan !== "lent" && tensor.#loan !== "kept") return;
        const kept = tensor.#loan === "kept" && tensor.#handle !== null;
        tensor.#handle = null;
        tensor.#loan = "ended";
        call("hook", (addon) => {
          try {
            if (!kept) return;
            tensor.#handle = nativeOperations(addon)["clone"]?.(handle) as TensorHandle;
            tensor.#loan = "none";
          } finally {
            addon.dispose(handle, true);
          }
        });
      },

      originOf: (tensor: Tensor): Origin | undefined => tensor.#origin,
      setOrigin(tensor: Tensor, origin: Origin | undefined): void {
        tensor.#origin = origin;
      },
      isLent: (tensor: Tensor): boolean => tensor.#loan === "lent" || tensor.#loan === "kept",
    };
  }
}

export interface Tensor<Axes extends readonly string[]> extends TensorMethods<Axes> {}

attachMethods(Tensor.prototype, access);
