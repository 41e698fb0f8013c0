import { assertType, describe, expectTypeOf, test } from "vitest";
import {
  type ActivationCache,
  type AxesOf,
  type Hook,
  type HookName,
  hook,
  type Tensor,
} from "../../lib/index.js";

type Residual = Tensor<readonly ["batch", "pos", "d_model"]>;
type Pattern = Tensor<readonly ["batch", "head_index", "query_pos", "key_pos"]>;
declare const layer: number;
declare const name: string;
declare const prefix: string;
declare const pattern: Pattern;

describe("hook", () => {
  test("gives the point's axes", () => {
    hook("blocks.3.hook_resid_post", (act, point) => {
      expectTypeOf(act).toEqualTypeOf<Residual>();
      expectTypeOf(point.layer).toEqualTypeOf<number | null>();
    });
    hook(`blocks.${layer}.attn.hook_pattern`, (act) => {
      expectTypeOf(act).toEqualTypeOf<Pattern>();
    });
    hook("ln_final.hook_scale", (act) => {
      expectTypeOf(act).toEqualTypeOf<Tensor<readonly ["batch", "pos", "one"]>>();
    });
    hook("blocks.0.attn.hook_z", (act) => {
      expectTypeOf(act).toEqualTypeOf<Tensor<readonly ["batch", "pos", "head_index", "d_head"]>>();
    });
  });

  test("accepts the bridge's names", () => {
    hook("blocks.3.hook_out", (act) => expectResidual(act));
    hook("blocks.3.ln2.hook_out", (act) => expectResidual(act));
    hook("ln_final.hook_in", (act) => expectResidual(act));
    hook("embed.hook_out", (act) => expectResidual(act));
    hook("blocks.3.attn.o.hook_in", (act) => {
      // @ts-expect-error z has one row for each head
      expectResidual(act);
    });
  });

  test("accepts short keys", () => {
    hook(["resid_post", 3], (act) => void expectTypeOf(act).toEqualTypeOf<Residual>());
    hook(["resid_post", -1], (act) => void expectTypeOf(act).toEqualTypeOf<Residual>());
    hook(["attn", layer], (act) => void expectTypeOf(act).toEqualTypeOf<Pattern>());
    hook(["embed"], (act) => void expectTypeOf(act).toEqualTypeOf<Residual>());
    hook(["scale", 3, "ln2"], (act) => {
      expectTypeOf(act).toEqualTypeOf<Tensor<readonly ["batch", "pos", "one"]>>();
    });
  });

  test("refuses unknown names", () => {
    // @ts-expect-error misspelt
    hook("blocks.3.hook_resid_pst", () => {});
    // @ts-expect-error misspelt, with a variable layer
    hook(`blocks.${layer}.hook_resid_pst`, () => {});
    // @ts-expect-error no such module
    hook("blocks.3.ffn.hook_pre", () => {});
    // @ts-expect-error the layer is a number
    hook("blocks.last.hook_resid_post", () => {});
    // @ts-expect-error no such short key
    hook(["resid_pst", 3], () => {});
    // @ts-expect-error the layer is a number
    hook(["resid_post", "3"], () => {});
    // @ts-expect-error a layer is needed
    hook(["resid_post"], () => {});
    // @ts-expect-error a norm is needed
    hook(["scale", 3], () => {});
    // @ts-expect-error a number is no name
    hook(3, () => {});
  });

  test("accepts names known only at run time", () => {
    hook(name, (act) => {
      expectTypeOf(act).toEqualTypeOf<Tensor>();
    });
    hook(`${prefix}.hook_resid_post`, (act) => {
      expectTypeOf(act).toEqualTypeOf<Tensor>();
    });
  });

  test("takes functions that return nothing or a tensor of these axes, also as a promise", () => {
    hook("blocks.3.hook_resid_post", () => {});
    hook("blocks.3.hook_resid_post", (act) => act.mul(2));
    hook("blocks.3.hook_resid_post", async (act) => act.mul(2));
    hook("blocks.3.hook_resid_post", (act) => act.sum());
    hook("blocks.3.hook_resid_post", async () => {});
    // @ts-expect-error a pattern at a point of the residual stream
    hook("blocks.3.hook_resid_post", () => pattern);
    // @ts-expect-error a number is no tensor
    hook("blocks.3.hook_resid_post", () => 5);
  });

  test("makes pairs that mix with bare ones", () => {
    const hooks: Hook[] = [
      hook("blocks.3.attn.hook_pattern", (act) => act.mul(0)),
      ["blocks.3.hook_resid_post", (act) => act.mul(2)],
    ];
    assertType<readonly Hook[]>(hooks);
  });
});

test("HookName", () => {
  assertType<HookName>("blocks.25.mlp.hook_pre_linear");
  assertType<HookName>("blocks.25.attn.q_norm.hook_out");
  assertType<HookName>("unembed.hook_in");
  // @ts-expect-error not a hook point
  assertType<HookName>("blocks.25.mlp.hook_pre_liner");
  expectTypeOf<AxesOf<"blocks.1.mlp.hook_post">>().toEqualTypeOf<
    readonly ["batch", "pos", "d_mlp"]
  >();
  expectTypeOf<AxesOf<string>>().toEqualTypeOf<readonly string[]>();
});

describe("ActivationCache", () => {
  const asked = {} as ActivationCache<"blocks.3.hook_resid_post" | "blocks.3.attn.hook_pattern">;
  const anyLayer = {} as ActivationCache<`blocks.${number}.hook_resid_post`>;
  const unknown = {} as ActivationCache<string>;

  test("has the requested entries, by every name", () => {
    expectTypeOf(asked.get("blocks.3.hook_resid_post")).toEqualTypeOf<Residual>();
    expectTypeOf(asked.get("blocks.3.hook_out")).toEqualTypeOf<Residual>();
    expectTypeOf(asked.get(["resid_post", 3])).toEqualTypeOf<Residual>();
    expectTypeOf(asked.get(["resid_post", -1])).toEqualTypeOf<Residual>();
    expectTypeOf(asked.get(["attn", 3])).toEqualTypeOf<Pattern>();
    expectTypeOf(anyLayer.get("blocks.7.hook_resid_post")).toEqualTypeOf<Residual>();
    expectTypeOf(anyLayer.get(["resid_post", 7])).toEqualTypeOf<Residual>();
    expectTypeOf(unknown.get("blocks.7.hook_resid_post")).toEqualTypeOf<Residual>();
  });

  test("accepts keys known only at run time", () => {
    expectTypeOf(asked.get(name)).toEqualTypeOf<Tensor>();
    expectTypeOf(asked.get(["resid_post", layer])).toEqualTypeOf<Residual>();
    expectTypeOf(asked.get(`blocks.${layer}.hook_resid_post`)).toEqualTypeOf<Residual>();
  });

  test("refuses entries that were not requested", () => {
    // @ts-expect-error another layer
    asked.get("blocks.4.hook_resid_post");
    // @ts-expect-error another layer, by short key
    asked.get(["resid_post", 4]);
    // @ts-expect-error another point
    asked.get("blocks.3.hook_resid_pre");
    // @ts-expect-error another point, by short key
    asked.get(["z", 3]);
    // @ts-expect-error another point at any layer
    anyLayer.get(`blocks.${layer}.hook_mlp_out`);
    // @ts-expect-error a pattern is no residual stream
    expectResidual(asked.get(["pattern", 3]));
    // @ts-expect-error no such short key
    unknown.get(["resid_pst", 3]);
  });
});

function expectResidual(_: Residual): void {}
