import type {
  blockAliases,
  blockNorms,
  blockPoints,
  globalAliases,
  globalPoints,
  globalShortNames,
  lastResidualAlias,
  shortNames,
} from "./points.js";

type BlockPoints = typeof blockPoints;
type GlobalPoints = typeof globalPoints;
type BlockAliases = typeof blockAliases;
type GlobalAliases = typeof globalAliases;
type ShortNames = typeof shortNames;

/** Names of hook points, as the cache stores them. */
export type CanonicalHookName = keyof GlobalPoints | `blocks.${number}.${keyof BlockPoints}`;

/**
 * Every name that hooks, caches and interventions accept: TransformerLens' names and those of its 4.x
 * bridge. [Hooks](../../docs/hooks.md) lists them with their shapes.
 */
export type HookName =
  | CanonicalHookName
  | keyof GlobalAliases
  | typeof lastResidualAlias
  | `blocks.${number}.${keyof BlockAliases}`;

/**
 * The name of a point in the cache: "blocks.3.hook_out" becomes "blocks.3.hook_resid_post". A name that is
 * unknown at compile time stays `string`.
 */
export type CanonicalOf<Name extends string> = Name extends keyof GlobalPoints
  ? Name
  : Name extends keyof GlobalAliases
    ? GlobalAliases[Name]
    : Name extends typeof lastResidualAlias
      ? `blocks.${number}.hook_resid_post`
      : Name extends `blocks.${number}.${infer Suffix}`
        ? Name extends `blocks.${infer Layer}.${Suffix}`
          ? Suffix extends keyof BlockPoints
            ? `blocks.${Layer}.${Suffix}`
            : Suffix extends keyof BlockAliases
              ? `blocks.${Layer}.${BlockAliases[Suffix]}`
              : string
          : string
        : string;

/** The axes at a hook point by its name; any axes for a name that is unknown at compile time. */
export type AxesOf<Name extends string> =
  CanonicalOf<Name> extends infer Canonical
    ? Canonical extends keyof GlobalPoints
      ? GlobalPoints[Canonical]
      : Canonical extends `blocks.${number}.${infer Suffix extends keyof BlockPoints}`
        ? BlockPoints[Suffix]
        : readonly string[]
    : never;

/** The layers that editors offer: the 62 of the largest Gemma. Any layer compiles. */
type OfferedLayer = `${"" | 1 | 2 | 3 | 4 | 5}${Digit}` | 60 | 61;
type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** The names that editors offer. */
type OfferedName = keyof GlobalPoints | `blocks.${OfferedLayer}.${keyof BlockPoints}`;

/** The short keys that take a layer. */
export type CacheShortName = keyof ShortNames;
type GlobalShortName = keyof typeof globalShortNames;
type NormShortName = "scale" | "normalized";
type Norm = (typeof blockNorms)[number];

/** A cache key: a name, or TransformerLens' [short, layer] and ["scale" | "normalized", layer, norm]. */
export type CacheKey =
  | string
  | readonly [short: CacheShortName, layer: number]
  | readonly [short: NormShortName, layer: number, norm: Norm]
  | readonly [short: GlobalShortName];

// This type is loose, so that a wrong key fails a check with a sentence instead of a union of all keys.
type LooseTuple = readonly [
  short?: CacheShortName | GlobalShortName | (string & {}),
  layer?: unknown,
  norm?: Norm | (string & {}),
  ...rest: unknown[],
];

/** Any string; editors offer the names of hook points. */
export type AnyHookName = OfferedName | (string & {});

/** The key of a hook point: a name, or a short key such as ["resid_post", 20]. */
export type HookKey = AnyHookName | LooseTuple;

/** A list of {@link HookKey}. */
export type HookKeys = readonly HookKey[];

/** A key of a cache of `Names`; editors offer its names. */
export type LooseCacheKey<Names extends string = string> = Names | (string & {}) | LooseTuple;

declare const sentence: unique symbol;

/** Replaces the type of a name that does not compile, with the reason. */
export interface HookNameError<Sentence extends string> {
  /** @hidden For the type checker alone. */
  readonly [sentence]: Sentence;
}

/**
 * `Key` if it names a hook point or may name one (a `string`, a name with a variable layer), else a
 * {@link HookNameError}: a misspelt literal does not compile.
 */
export type CheckedName<Key> = [KeyProblem<Key>] extends [never]
  ? Key
  : HookNameError<KeyProblem<Key>>;

/** {@link CheckedName} of each key in a list. */
export type CheckedNames<Keys extends readonly unknown[]> = {
  readonly [I in keyof Keys]: CheckedName<Keys[I]>;
};

// A sentence, or never. A branch that returned names would intersect Key with all of them.
type KeyProblem<Key> = Key extends string
  ? NameProblem<Key>
  : Key extends CacheKey
    ? never
    : Key extends readonly [infer Short extends string, ...infer Rest]
      ? TupleProblem<Short, Rest>
      : LooseTuple extends Key
        ? never
        : "expected the name of a hook point, or [short name, layer]";

type NameProblem<Name extends string> = Name extends OfferedName
  ? never
  : Name extends HookName
    ? never
    : [Extract<HookName, Name>] extends [never]
      ? `no such hook point: ${Name}`
      : never;

type TupleProblem<Short extends string, Rest extends readonly unknown[]> = string extends Short
  ? never
  : Short extends NormShortName
    ? `a layer and a norm belong to it: ['${Short}', 20, 'ln1']`
    : Short extends GlobalShortName
      ? `it takes no layer: ['${Short}']`
      : Short extends CacheShortName
        ? Rest extends readonly []
          ? `it needs a layer: ['${Short}', 20]`
          : `its layer is a number: ['${Short}', 20]`
        : `no such short name: ${Short}`;

// A negative layer counts from the end, so only run time knows it.
type Layer<L extends number> = `${L}` extends `-${string}` ? number : L;

/** The full name of a key; `string` if only run time knows it. */
export type NameOfKey<Key> = Key extends string
  ? Key
  : Key extends readonly [infer Short extends CacheShortName, infer L extends number]
    ? `blocks.${Layer<L>}.${ShortNames[Short]}`
    : Key extends readonly [
          infer Kind extends NormShortName,
          infer L extends number,
          infer AtNorm extends Norm,
        ]
      ? `blocks.${Layer<L>}.${AtNorm}.hook_${Kind}`
      : Key extends readonly [infer Short extends GlobalShortName]
        ? (typeof globalShortNames)[Short]
        : string;

/** The full names of a list of keys. */
export type NamesOf<Keys extends readonly unknown[]> = NameOfKey<Keys[number]>;

/**
 * `Key` if a cache of `Names` has it or may have it, else a {@link HookNameError}: a name that was not
 * requested does not compile.
 */
export type CheckedKey<Key, Names extends string> = [CacheProblem<Key, Names>] extends [never]
  ? Key
  : HookNameError<CacheProblem<Key, Names>>;

type CacheProblem<Key, Names extends string> = [KeyProblem<Key>] extends [never]
  ? [Overlap<CanonicalOf<NameOfKey<Key>>, CanonicalOf<Names>>] extends [never]
    ? `not asked for in names: ${NameOfKey<Key>}`
    : never
  : KeyProblem<Key>;

/** {@link CheckedKey} of each key in a list. */
export type CheckedKeys<Keys extends readonly unknown[], Names extends string> = {
  readonly [I in keyof Keys]: CheckedKey<Keys[I], Names>;
};

type Overlap<A extends string, B extends string> = Extract<A, B> | Extract<B, A>;
