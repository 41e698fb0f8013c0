/**
 * Which rows and which hook a result has, operation by operation: a tensor of a padded batch is
 * encoded without its padding, and never by the coder of another hook, whatever was done to it
 * before. Rows that a result mixes are forgotten rather than guessed.
 */

import type { Origin } from "./origin.js";
import { sizeOf } from "./row-cells.js";
import * as rows from "./row-rules.js";
import type { Tensor } from "./tensor.js";
import type { OperationName } from "./vocabulary.js";

/**
 * Whether the result is still an activation of the operands' hook.
 * - "keeps": of the first operand's.
 * - "agrees": of the one hook of all operands that have one.
 * - "adds": likewise, unless something else is added than a number or one vector for all rows.
 * - "scales": of the first operand's that has one, unless it is scaled by more than one number.
 * - "averages": of the first operand's if only rows are reduced.
 * - "drops": of none.
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

/** The rule of every operation; those that give no tensor have none. */
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

/** Where the result of a call comes from. */
export function inherited(name: OperationName, call: rows.Call): Origin | undefined {
  const rule: Rule | undefined = lineage[name];
  const known = call.tensors.flatMap((tensor) => call.originOf(tensor) ?? []);
  const [first] = known;
  if (rule === undefined || first === undefined) return undefined;
  const [cells, hook] = [rule.rows(call), hookOf(rule.hook, call)];
  if (cells === first.rows && hook === first.hook) return first;
  if (cells === undefined && hook === undefined) return undefined;
  return { hook, model: first.model, rows: cells };
}

function hookOf(rule: HookRule, call: rows.Call): string | undefined {
  const { self, tensors, originOf } = call;
  const hooks = tensors.map((tensor) => originOf(tensor)?.hook);
  const [first, ...others] = hooks.filter((hook) => hook !== undefined);
  const areEqual = others.every((hook) => hook === first);
  switch (rule) {
    case "keeps":
      return hooks[0];
    case "agrees":
      return areEqual ? first : undefined;
    case "adds":
      return areEqual && tensors.every((t, i) => hooks[i] !== undefined || isDirection(t, call))
        ? first
        : undefined;
    case "scales":
      return tensors.every((t, i) => i === hooks.indexOf(first) || t.size === 1)
        ? first
        : undefined;
    case "averages": {
      const lead = originOf(self)?.rows?.sizes.length ?? 0;
      return rows.reducedAxes(call).every((axis) => axis < lead) ? hooks[0] : undefined;
    }
    case "drops":
      return undefined;
  }
}

/** One vector of no run for all rows, as a bias or a direction is. */
function isDirection(tensor: Tensor, { originOf }: rows.Call): boolean {
  return originOf(tensor) === undefined && sizeOf(tensor.shape.slice(0, -1)) === 1;
}
