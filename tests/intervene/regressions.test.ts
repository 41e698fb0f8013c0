import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  attribute,
  clamp,
  freeze,
  HookedTransformer,
  hook,
  type Intervention,
  patch,
  SAE,
  steer,
  type Tensor,
  Transcoder,
  tidy,
} from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

const at = "blocks.2.hook_resid_post" as const;
const prompt = [2, 107, 122, 85, 84, 55];

let model: HookedTransformer;
let sae: SAE;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), { hookName: at, device });
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
});

const values = async (x: Tensor) => x.read("float32");

describe("a splice", () => {
  test("keeps its input when a later hook writes in place", async () => {
    using coder = await Transcoder.fromFile(
      fixture("tiny-gemma2/gs1/transcoder_skip/layer_1/params.safetensors"),
      {
        hookName: "blocks.1.ln2.hook_normalized",
        hookNameOut: "blocks.1.hook_mlp_out",
        device,
      },
    );
    expect(coder.cfg.skip).toBe(true);
    const run = (...hooks: ReturnType<typeof hook>[]) =>
      model.forward(prompt, { coders: [{ coder, errorTerm: false }], hooks });
    const name = coder.cfg.hookName;
    using plain = await run();
    using inPlace = await run(hook(name, (act) => void act.mul_(3)));
    using replaced = await run(hook(name, (act) => act.mul(3)));
    expect(await values(inPlace)).toEqual(await values(plain));
    expect(await values(replaced)).toEqual(await values(plain));
  });

  test("is the point at which a feature target of its coder is measured", async () => {
    const coders = [{ coder: sae, errorTerm: false }];
    using acts = await model.runWithCache(prompt, { names: [], features: [sae], logits: false });
    const [top] = await acts.features(sae).at({ position: -1 });
    if (top === undefined) throw new Error("nothing fires");
    const target = { feature: sae.feature(top.feature), position: -1 };
    using run = await model.runWithGradients(prompt, { names: [], coders, target });
    expect(run.value).toBeCloseTo(top.value, 4);
  });
});

describe("gradients", () => {
  test("have memory of their own", async () => {
    const names = ["blocks.0.hook_attn_out", "blocks.0.hook_resid_mid"] as const;
    using run = await model.runWithGradients(prompt, { names, target: { logit: 7 } });
    const before = await values(run.grad(names[1]));
    run.grad(names[0]).fill_(0);
    expect(await values(run.grad(names[1]))).toEqual(before);
  });

  test("flow through a value that an in-place hook left unchanged", async () => {
    const names = ["blocks.0.hook_resid_post"] as const;
    const target = { logit: 7 };
    const zero = hook("blocks.1.hook_resid_post", (act) => void act.select(1, 0).fill_(0));
    using hooked = await model.runWithGradients(prompt, { names, target, hooks: [zero] });
    using clean = await model.runWithCache(prompt, {
      names: ["blocks.1.hook_resid_post"],
      logits: false,
    });
    using zeros = clean.cache.get("blocks.1.hook_resid_post").mul(0);
    const put = patch("blocks.1.hook_resid_post", zeros, { positions: 0 });
    using patched = await model.runWithGradients(prompt, {
      names,
      target,
      interventions: [put],
    });
    put.source.dispose();
    const error = relativeError(
      await values(hooked.grad(names[0])),
      await values(patched.grad(names[0])),
    );
    expect(error).toBeLessThan(1e-6);
  });

  test("name a metric's mistake", async () => {
    const run = (metric: (logits: Tensor) => Tensor) =>
      failure(() => model.runWithGradients(prompt, { names: [at], target: { metric } }));
    expect(await run((logits) => logits.fill_(1).sum())).toMatchObject({
      message: /in-place operations .* are refused/,
    });
    using good = await model.runWithGradients(prompt, {
      names: [at],
      target: {
        metric: (logits) => {
          const sum = logits.sum();
          logits.dispose();
          return sum;
        },
      },
    });
    expect(Number.isFinite(good.value)).toBe(true);
  });
});

describe("attribution to a feature", () => {
  test("excludes the feature's own coder", async () => {
    using acts = await model.runWithCache(prompt, { names: [], features: [sae], logits: false });
    const [top] = await acts.features(sae).at({ position: -1 });
    const target = { feature: sae.feature(top?.feature ?? 0), position: -1 };
    using early = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: "blocks.0.hook_resid_post",
      device,
    });
    const found = await attribute(model, prompt, { target, through: [early, sae] });
    expect(found.length).toBeGreaterThan(0);
    expect(found.every(({ coder }) => coder === early)).toBe(true);
  });
});

describe("interventions", () => {
  test("use a coder's weights at the time of the run", async () => {
    using own = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: at,
      device,
    });
    const interventions = [clamp(own.feature(3), 30)];
    using before = await model.forward(prompt, { interventions });
    using plain = await model.forward(prompt);
    if (device !== "cpu") return;
    (own.direction(3).data as Float32Array).fill(0);
    using after = await model.forward(prompt, { interventions });
    expect(await values(after)).toEqual(await values(plain));
    expect(await values(before)).not.toEqual(await values(plain));
  });

  test("of single rows leave the other rows and the cached entry unchanged", async () => {
    const rows = [prompt, prompt, prompt];
    const interventions = [0, 1, 2].map((batch) =>
      steer(sae.feature(5), 4 * batch, { batch, positions: [2] }),
    );
    const names = ["blocks.2.hook_resid_post", "blocks.3.hook_resid_pre"] as const;
    using swept = await model.runWithCache(rows, { names, interventions });
    for (const batch of [0, 1, 2]) {
      const one = [steer(sae.feature(5), 4 * batch, { positions: [2] })];
      using alone = await model.runWithCache(prompt, { names, interventions: one });
      for (const name of names) {
        const got = tidy(() => swept.cache.get(name).select(0, batch).clone().keep());
        const want = tidy(() => alone.cache.get(name).select(0, 0).clone().keep());
        expect(relativeError(await values(got), await values(want))).toBeLessThan(1e-6);
        got.dispose();
        want.dispose();
      }
    }
  });

  test("freeze a prompt in a generation", async () => {
    using clean = await model.runWithCache(prompt, { names: ["blocks.1.hook_mlp_out"] });
    const interventions = freeze(["blocks.1.hook_mlp_out"], clean.cache);
    const options = { maxNewTokens: 4, temperature: 0 };
    const draw = async (more: object) => {
      const tokens: number[] = [];
      for await (const { token } of model.generate(prompt, { ...options, ...more }))
        tokens.push(token);
      return tokens;
    };
    expect(await draw({ interventions })).toEqual(await draw({}));
    for (const { source } of interventions) source.dispose();
  });

  test("refuse invalid keys, nested lists, and numbers beyond float32", async () => {
    const run = (...interventions: unknown[]) =>
      failure(() => model.forward(prompt, { interventions: interventions as Intervention[] }));
    const f = sae.feature(3);
    expect(await run({ ...ablate(f), position: [1] })).toMatchObject({
      code: "ARGUMENT",
      message: /position/,
    });
    expect(await run([ablate(f)])).toMatchObject({ code: "ARGUMENT", message: /spread/ });
    expect((await failure(() => clamp(f, 1e39))).code).toBe("ARGUMENT");
    expect((await failure(() => steer(f, 1e39))).code).toBe("ARGUMENT");
  });
});
