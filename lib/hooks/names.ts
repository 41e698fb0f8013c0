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
 * Every name that a hook, a cache or an intervention takes: TransformerLens' and its 4.x bridge's.
 * [Hooks](../../docs/hooks.md) lists them with their shapes.
 */
export type HookName =
  | CanonicalHookName
  | keyof GlobalAliases
  | typeof lastResidualAlias
  | `blocks.${number}.${keyof BlockAliases}`;

/**
 * What a name is in the cache: "blocks.3.hook_out" is "blocks.3.hook_resid_post". A name that is not
 * known when compiling stays `string`.
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

/** The axes at a hook point by its name; of a name not known when compiling, any. */
export type AxesOf<Name extends string> =
  CanonicalOf<Name> extends infer Canonical
    ? Canonical extends keyof GlobalPoints
      ? GlobalPoints[Canonical]
      : Canonical extends `blocks.${number}.${infer Suffix extends keyof BlockPoints}`
        ? BlockPoints[Suffix]
        : readonly string[]
    : never;

/**
 * `Name` where it is a hook name or may be one (a `string`, a name built from a variable layer), else
 * all hook names: so a misspelt literal does not compile, and the editor offers the right ones.
 */
export type CheckedName<Name extends string> = Name extends HookName
  ? Name
  : [Extract<HookName, Name>] extends [never]
    ? HookName
    : Name;

/** Short keys of caches that take a layer. */
export type CacheShortName = keyof ShortNames;

/** A cache key: a name, or TransformerLens' [short, layer] and ["scale" | "normalized", layer, norm]. */
export type CacheKey =
  | string
  | readonly [short: CacheShortName, layer: number]
  | readonly [short: "scale" | "normalized", layer: number, norm: (typeof blockNorms)[number]]
  | readonly [short: keyof typeof globalShortNames];

// A negative layer counts from the end: which one it is shows at run time.
type Layer<L extends number> = `${L}` extends `-${string}` ? number : L;

/** The full name that a cache key stands for. */
export type NameOfKey<Key extends CacheKey> = Key extends string
  ? Key
  : Key extends readonly [infer Short extends CacheShortName, infer L extends number]
    ? `blocks.${Layer<L>}.${ShortNames[Short]}`
    : Key extends readonly [
          infer Kind extends "scale" | "normalized",
          infer L extends number,
          infer Norm extends (typeof blockNorms)[number],
        ]
      ? `blocks.${Layer<L>}.${Norm}.hook_${Kind}`
      : Key extends readonly [infer Short extends keyof typeof globalShortNames]
        ? (typeof globalShortNames)[Short]
        : string;

/**
 * `Key` where a cache of `Names` holds it or may hold it, else the names that it holds: so a name that
 * was not asked for does not compile.
 */
export type CheckedKey<Key extends CacheKey, Names extends string> =
  Overlap<CanonicalOf<NameOfKey<Key>>, CanonicalOf<Names>> extends never ? Names : Key;

type Overlap<A extends string, B extends string> = Extract<A, B> | Extract<B, A>;
