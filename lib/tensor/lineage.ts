/**
 * The rows and the hook of a result, for every operation. With them a tensor of a padded batch is encoded
 * without its padding, and never by the coder of another hook, whatever operations came before. If a
 * result mixes rows, they become unknown.
 */

import { hooksIn, type Origin } from "./origin.js";
import { sizeOf } from "./row-cells.js";
import * as rows from "./row-rules.js";
import type { Tensor } from "./tensor.js";
import type { OperationName } from "./vocabulary.js";

/**
 * The hook of which the result is still an activation:
 * - "keeps": the first operand's.
 * - "agrees": the one hook of all operands that have one.
 * - "adds": the same, if all other operands are a number or one vector for all rows.
 * - "scales": the hook of the first operand that has one, if it is scaled by a single number.
 * - "averages": the first operand's, if only rows are reduced.
 * - "drops": none.
 * A sum or join of several hooks remembers all of them: it is a vector of their space.
 */
type HookRule = "keeps" | "agrees" | "adds" | "scales" | "averages" | "drops";

interface Rule {
  readonly rows: rows.RowRule;
  readonly hook: HookRule;
}

const elementwise: Rule = { rows: rows.broadcast, hook: "keeps" };
const comparison: Rule = { rows: rows.broadcast, hook: "drops" };
const reduction: Rule = { rows: rows.reduce, hook: "averages" };
const softmax: Rule = {
  rows: rows.along(({ given: [dim = -1] }) => dim as number),
  hook: "drops",
};

/** The rule of every operation that returns a tensor. */
export const lineage = {
  reshape: { rows: rows.reshape, hook: "keeps" },
  permute: { rows: rows.permute, hook: "keeps" },
  transpose: { rows: rows.transpose, hook: "keeps" },
  slice: { rows: rows.slice, hook: "keeps" },
  select: { rows: rows.select, hook: "keeps" },
  index: { rows: rows.index, hook: "keeps" },
  unsqueeze: { rows: rows.unsqueeze, hook: "keeps" },
  squeeze: { rows: rows.squeeze, hook: "keeps" },
  expand: { rows: rows.broadcast, hook: "keeps" },
  contiguous: { rows: rows.same, hook: "keeps" },
  cat: { rows: rows.cat, hook: "agrees" },
  stack: { rows: rows.stack, hook: "agrees" },
  add: { rows: rows.broadcast, hook: "adds" },
  sub: { rows: rows.broadcast, hook: "adds" },
  mul: { rows: rows.broadcast, hook: "scales" },
  div: { rows: rows.broadcast, hook: "scales" },
  add_: { rows: rows.broadcast, hook: "adds" },
  sub_: { rows: rows.broadcast, hook: "adds" },
  mul_: { rows: rows.broadcast, hook: "scales" },
  div_: { rows: rows.broadcast, hook: "scales" },
  neg: elementwise,
  exp: elementwise,
  log: elementwise,
  sqrt: elementwise,
  tanh: elementwise,
  abs: elementwise,
  relu: elementwise,
  sigmoid: elementwise,
  pow: elementwise,
  clamp: elementwise,
  matmul: { rows: rows.matmul, hook: "drops" },
  sum: reduction,
  mean: reduction,
  max: reduction,
  min: reduction,
  argmax: { rows: rows.reduce, hook: "drops" },
  norm: { rows: rows.reduce, hook: "drops" },
  softmax,
  logSoftmax: softmax,
  topk: {
    rows: rows.along(({ given }) => (given[1] as { dim?: number } | undefined)?.dim ?? -1),
    hook: "drops",
  },
  gt: comparison,
  lt: comparison,
  ge: comparison,
  le: comparison,
  eq: comparison,
  ne: comparison,
  where: { rows: rows.broadcast, hook: "agrees" },
  to: { rows: rows.same, hook: "keeps" },
  clone: { rows: rows.same, hook: "keeps" },
  copy_: { rows: rows.broadcast, hook: "agrees" },
  fill_: { rows: rows.same, hook: "keeps" },
  allClose: undefined,
  item: undefined,
} as const satisfies Record<OperationName, Rule | undefined>;

/** The origin of a call's result. */
export function inherited(name: OperationName, call: rows.Call): Origin | undefined {
  const rule: Rule | undefined = lineage[name];
  const first = call.tensors.map(call.originOf).find((origin) => origin !== undefined);
  if (rule === undefined || first === undefined) return undefined;
  const cells = rule.rows(call);
  const { hook, mixed } = sourceOf(rule.hook, call);
  if (cells === first.rows && hook === first.hook && mixed === first.mixed) return first;
  if (cells === undefined && hook === undefined && mixed === undefined) return undefined;
  return { hook, model: first.model, rows: cells, ...(mixed !== undefined && { mixed }) };
}

type Source = Pick<Origin, "hook" | "mixed">;

const unknown: Source = { hook: undefined };

function sourceOf(rule: HookRule, call: rows.Call): Source {
  const { self, tensors, originOf } = call;
  const sources = tensors.map((tensor) => originOf(tensor) ?? unknown);
  const known = sources.filter((source) => hooksIn(source).length > 0);
  const [first = unknown] = known;
  switch (rule) {
    case "keeps":
      return sources[0] ?? unknown;
    case "agrees":
      return combined(known, true);
    case "adds":
      return combined(
        known,
        tensors.every((t, i) => sources[i]?.hook !== undefined || isDirection(t, call)),
      );
    case "scales":
      return tensors.every((t, i) => i === sources.indexOf(first) || t.size === 1)
        ? first
        : unknown;
    case "averages": {
      const lead = originOf(self)?.rows?.sizes.length ?? 0;
      const averages = rows.reducedAxes(call).every((axis) => axis < lead);
      return (averages && sources[0]) || unknown;
    }
    case "drops":
      return unknown;
  }
}

/** One hook if all sources agree on it and `isWhole`; otherwise all of their hooks. */
function combined(known: readonly Source[], isWhole: boolean): Source {
  const hook = known[0]?.hook;
  if (isWhole && hook !== undefined && known.every((source) => source.hook === hook))
    return { hook };
  const hooks = [...new Set(known.flatMap(hooksIn))];
  return hooks.length === 0 ? unknown : { hook: undefined, mixed: hooks };
}

/** Whether a tensor is one vector for all rows and not from a run, such as a bias or a direction. */
function isDirection(tensor: Tensor, { originOf }: rows.Call): boolean {
  return originOf(tensor) === undefined && sizeOf(tensor.shape.slice(0, -1)) === 1;
}
