import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { SAE, type Tensor, Transcoder, tensor } from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture, goldensOf, hookGoldens } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";
import { need, readGoldens } from "../support/safetensors.js";

let folder: string;
beforeAll(() => {
  folder = newFolder();
});

const parameters = ["W_enc", "W_dec", "b_enc", "b_dec", "threshold"] as const;

async function expectEqual(a: SAE | Transcoder, b: SAE | Transcoder): Promise<void> {
  for (const name of parameters) {
    const want = await (a[name] as Tensor).read("float32");
    expect([...(await (b[name] as Tensor).read("float32"))], name).toEqual([...want]);
  }
}

test("writes an .npz that loads bit for bit, and leaves no other file", async () => {
  const path = join(folder, "npz", "layer_2", "width_16k", "average_l0_7", "params.npz");
  const hookName = "blocks.2.hook_resid_post";
  using sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), { hookName, device });
  await sae.save(path);
  await sae.save(path); // over the file itself
  expect(readdirSync(join(path, ".."))).toEqual(["params.npz"]);
  using back = await SAE.fromFile(path, { hookName, device });
  await expectEqual(sae, back);
  expect(back.cfg.l0).toBe(7);
  expect(back.cfg.dtype).toBe("float32");
});

test("writes a Gemma Scope 2 folder that records its hooks", async () => {
  const path = join(folder, "gs2", "layer_2_width_16k_l0_small");
  const name = "transcoder/layer_2_width_16k_l0_small_affine";
  using coder = await Transcoder.fromFile(fixture(`gs2/${name}`), { device });
  await coder.save(path);
  expect(readdirSync(path).sort()).toEqual(["config.json", "params.safetensors"]);
  using back = await Transcoder.fromFile(path, { device });
  await expectEqual(coder, back);
  expect([...((await back.W_skip?.read("float32")) ?? [])]).toEqual([
    ...((await coder.W_skip?.read("float32")) ?? []),
  ]);
  const { path: from, ...want } = coder.cfg;
  expect(back.cfg).toMatchObject(want);
  expect(from).not.toBe(back.cfg.path);
  // The published file has the same keys and shapes.
  const [published, written] = [fixture(`gs2/${name}`), path].map((dir) =>
    readGoldens(pathToFileURL(join(dir as string, "params.safetensors"))),
  );
  expect([...written!.keys()].sort()).toEqual([...published!.keys()].sort());
  for (const [key, { shape }] of published!) expect(need(written!, key).shape).toEqual(shape);
  const config = JSON.parse(readFileSync(join(path, "config.json"), "utf8"));
  expect(config.architecture).toBe("jump_relu");
  expect(config.affine_connection).toBe(true);
});

test("writes an embedding coder in the published scale", async () => {
  const source = fixture("tiny-gemma2/gs1/embedding/width_4k/average_l0_6/params.npz");
  const path = join(folder, "embedding", "width_4k", "average_l0_6", "params.npz");
  using sae = await SAE.fromFile(source, { device });
  await sae.save(path);
  using back = await SAE.fromFile(path, { device });
  for (const name of parameters) {
    const [a, b] = [await (sae[name] as Tensor).read(), await (back[name] as Tensor).read()];
    expect(relativeError(b as Float32Array, a as Float32Array), name).toBeLessThan(1e-6);
  }
  expect(back.cfg.hookName).toBe("hook_embed");
});

test("refuses coders that the format cannot store, before it writes", async () => {
  const affine = fixture("gs2/transcoder/layer_2_width_16k_l0_small_affine");
  using skip = await Transcoder.fromFile(affine, { device });
  const npz = await failure(() => skip.save(join(folder, "no.npz")));
  expect(npz.code).toBe("UNSUPPORTED");
  using plain = await Transcoder.fromFile(fixture("tiny-gemma2/gs1/transcoder/plain_layer_0.npz"), {
    hookName: "blocks.0.ln2.hook_normalized",
    hookNameOut: "blocks.0.hook_mlp_out",
    device,
  });
  const unnamed = await failure(() => plain.save(join(folder, "no-folder")));
  expect(unnamed.code).toBe("UNSUPPORTED");
  expect(unnamed.message).toContain("ln2.hook_normalized");
  expect(readdirSync(folder)).not.toContain("no.npz");
  expect(readdirSync(folder)).not.toContain("no-folder");
});

test.each([0, 1, 2, 3])(
  "applies the affine skip of the circuit fixtures, layer %i",
  async (layer) => {
    // The npz and x·A are published separately; this test puts them together as in Gemma Scope 2.
    const base = `tiny-gemma2/gs1/transcoder`;
    using plain = await Transcoder.fromFile(fixture(`${base}/skip_layer_${layer}.npz`), {
      hookName: `blocks.${layer}.ln2.hook_normalized`,
      hookNameOut: `blocks.${layer}.hook_mlp_out`,
    });
    const npy = readFileSync(fixture(`${base}/skip_affine_layer_${layer}.npy`));
    const start = 10 + npy.readUInt16LE(8);
    const parts: [string, number[], Uint8Array][] = [];
    for (const name of parameters) {
      const values = (await (plain[name] as Tensor).read("float32")) as Float32Array;
      const key = name.startsWith("W") ? name.toLowerCase() : name;
      parts.push([key, [...(plain[name] as Tensor).shape], new Uint8Array(values.buffer)]);
    }
    parts.push(["affine_skip_connection", [48, 48], npy.subarray(start)]);
    let offset = 0;
    const header = JSON.stringify(
      Object.fromEntries(
        parts.map(([key, shape, bytes]) => {
          const begin = offset;
          offset += bytes.length;
          return [key, { dtype: "F32", shape, data_offsets: [begin, offset] }];
        }),
      ),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const dir = join(folder, `skip-${layer}`);
    mkdirSync(dir);
    writeFileSync(
      join(dir, "params.safetensors"),
      Buffer.concat([length, Buffer.from(header), ...parts.map(([, , bytes]) => bytes)]),
    );
    using coder = await Transcoder.fromFile(dir, {
      hookName: plain.cfg.hookName,
      hookNameOut: plain.cfg.hookNameOut,
      device,
    });
    expect(coder.cfg.skip).toBe(true);
    const golden = need(hookGoldens("tiny-gemma2"), coder.cfg.hookName);
    using x = tensor(golden.data as Float32Array, { device: device as "cpu" }).reshape(
      golden.shape,
    );
    using out = await coder.forward(x);
    const want = need(
      goldensOf("tiny-gemma2/gs1", "expected_transcoders_s24"),
      `skip.${layer}.out`,
    );
    expect(relativeError(await out.read("float32"), want.data)).toBeLessThan(1e-5);
  },
);
