import type { Random } from "../support/random.js";
import { mutateBytes } from "./mutate-bytes.js";

/**
 * JSON as text in a tree. It can hold text that JSON.parse loses: a repeated key, a number of 400
 * digits, a lone surrogate.
 */
export type Tree = { raw: string } | { list: Tree[] } | { entries: [key: string, value: Tree][] };

export function toTree(value: unknown): Tree {
  if (Array.isArray(value)) return { list: value.map(toTree) };
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, item]): [string, Tree] => [
      JSON.stringify(key),
      toTree(item),
    ]);
    return { entries };
  }
  return { raw: JSON.stringify(value) };
}

export function toText(tree: Tree): string {
  if ("raw" in tree) return tree.raw;
  if ("list" in tree) return `[${tree.list.map(toText).join(",")}]`;
  return `{${tree.entries.map(([key, value]) => `${key}:${toText(value)}`).join(",")}}`;
}

const nested = (depth: number, open: string, close: string): string =>
  open.repeat(depth) + close.repeat(depth);

const values: readonly string[] = [
  ..."null true false 0 -0 1 -1 2 3 0.5 -0.5 1e15 1e-400 1e999 -1e999 1E308".split(" "),
  ..."255 65535 2147483647 2147483648 4294967295 4294967296 16777215 16777216".split(" "),
  ..."9007199254740991 9007199254740993 18446744073709551616 1000000000 1000000001".split(" "),
  ...'"" "a" "__proto__" "constructor" "0" "-1" "NaN" "\\ud800" "\\udc00\\ud800"'.split(" "),
  ...'"\\u0000" "\\u001b[2J" "../../etc/passwd" "\\n" NaN Infinity 00 01 .5 +1 undefined'.split(
    " ",
  ),
  ..."[] {} [[]] [{}] [null] [0] [-1] [1,1] [0,0] [0,1e999]".split(" "),
  '{"__proto__":{}}',
  '{"constructor":{"prototype":{}}}',
  '{"toString":1,"length":-1}',
  `"${"a".repeat(300)}"`,
  `"${"x".repeat(70_000)}"`,
  `"${"\\u0000".repeat(100)}"`,
  "9".repeat(400),
  nested(31, "[", "]"),
  nested(40, "[", "]"),
  nested(6000, "[", "]"),
  `${nested(2000, '{"a":', "}").replace("}", "1}")}`,
  `[${"0,".repeat(20_000)}0]`,
  `[${"[],".repeat(5000)}[]]`,
];

const keys: readonly string[] = [
  '"__proto__"',
  '"constructor"',
  '"prototype"',
  '"hasOwnProperty"',
  '"toString"',
  '"length"',
  '""',
  '"0"',
  '"\\ud800"',
  '"\\u0000"',
  '"a\\nb"',
  `"${"k".repeat(5000)}"`,
];

interface TreeNode {
  readonly tree: Tree;
  readonly replace: (tree: Tree) => void;
}

/** Every value in the tree, the root first. */
function nodes(root: { tree: Tree }): TreeNode[] {
  const found: TreeNode[] = [{ tree: root.tree, replace: (tree) => (root.tree = tree) }];
  for (let i = 0; i < found.length; i++) {
    const { tree } = found[i] as TreeNode;
    if ("list" in tree) {
      const { list } = tree;
      list.forEach((item, at) => {
        found.push({ tree: item, replace: (next) => (list[at] = next) });
      });
    } else if ("entries" in tree) {
      for (const entry of tree.entries) {
        found.push({ tree: entry[1], replace: (next) => (entry[1] = next) });
      }
    }
  }
  return found;
}

/** Picks half of the time among the first nodes: nodes near the root are few but matter more. */
function choose(random: Random, found: readonly TreeNode[]): TreeNode {
  return random.pick(random.chance(0.5) ? found.slice(0, 40) : found);
}

function tweak(random: Random, raw: string): string {
  const number = Number(raw);
  if (raw !== "" && Number.isFinite(number)) {
    const next = [number + 1, number - 1, number * 2, -number, number / 2, number * 1024];
    return String(random.pick(next));
  }
  const at = random.below(raw.length);
  return raw.slice(0, at) + random.pick(["", "\\u0000", "\\ud83d", "_", "."]) + raw.slice(at + 1);
}

/** Changes one thing in the tree. */
export function mutateTree(root: { tree: Tree }, random: Random): void {
  const found = nodes(root);
  const { tree, replace } = choose(random, found);
  const kind = random.below(10);
  if (kind < 3) replace({ raw: random.pick(values) });
  else if (kind < 5 && "raw" in tree) replace({ raw: tweak(random, tree.raw) });
  else if (kind === 5) replace(structuredClone(choose(random, found).tree));
  else if (kind === 6) replace(random.chance(0.5) ? { list: [tree] } : wrap(random, tree));
  else if ("entries" in tree && tree.entries.length > 0) changeEntries(random, tree.entries);
  else if ("list" in tree && tree.list.length > 0) changeList(random, tree.list);
  else replace({ raw: random.pick(values) });
}

function wrap(random: Random, tree: Tree): Tree {
  return { entries: [[random.pick(keys), tree]] };
}

function changeEntries(random: Random, entries: [string, Tree][]): void {
  const at = random.below(entries.length);
  const entry = entries[at] as [string, Tree];
  const kind = random.below(5);
  if (kind === 0) entries.splice(at, 1);
  else if (kind === 1) entries.push([entry[0], structuredClone(random.pick(entries)[1])]);
  else if (kind === 2) entry[0] = random.pick(keys);
  else if (kind === 3) entry[0] = random.pick(entries)[0];
  else entries.push([random.pick(keys), { raw: random.pick(values) }]);
}

function changeList(random: Random, list: Tree[]): void {
  const at = random.below(list.length);
  const kind = random.below(4);
  if (kind === 0) list.splice(at, 1);
  else if (kind === 1) list.push({ raw: random.pick(values) });
  else if (kind === 2) list.splice(at, 0, structuredClone(random.pick(list)));
  else list.reverse();
}

/** Makes a few changes to a JSON file: to its values or, one time in eight, to its bytes. */
export function mutateJson(text: Buffer, random: Random): Buffer {
  if (random.chance(0.125)) return mutateBytes(text, random);
  let changed: string;
  try {
    const root = { tree: toTree(JSON.parse(text.toString())) };
    for (let n = 1 + random.below(3); n > 0; n--) mutateTree(root, random);
    changed = toText(root.tree);
  } catch {
    return mutateBytes(text, random); // The text is no longer JSON, or is nested too deep.
  }
  const bytes = Buffer.from(changed.slice(0, 1_000_000));
  return random.chance(0.03) ? Buffer.concat([Buffer.from("\ufeff"), bytes]) : bytes;
}
