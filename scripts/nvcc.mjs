// Fetches nvcc 13.0 as wheels, for machines without a CUDA toolkit (such as continuous
// integration).
//   node scripts/nvcc.mjs        prints the path of an nvcc, and fetches one if there is none
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { libtorchModule } from "./compiled-module.mjs";

const wheels = [
  "nvidia-cuda-nvcc==13.0.88",
  "nvidia-nvvm==13.0.88",
  "nvidia-cuda-crt==13.0.88",
  "nvidia-cuda-cccl==13.0.85",
  "nvidia-cuda-runtime==13.0.96",
];

const nvccIn = (target) => join(target, "nvidia/cu13/bin/nvcc");

async function targetFolder() {
  const { cacheDir } = await libtorchModule();
  return join(cacheDir(), "nvcc", "13.0.88");
}

// sm_90a needs 12.0; anything older would fail on the first kernel.
function usable(nvcc) {
  const run = spawnSync(nvcc, ["--version"], { encoding: "utf8" });
  const major = Number(run.stdout?.match(/release (\d+)\./)?.[1] ?? 0);
  return major >= 12;
}

/** GEMLENS_NVCC, an nvcc on PATH or in its usual folder, or one fetched earlier. */
export async function findNvcc() {
  const fetched = nvccIn(await targetFolder());
  const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "nvcc"));
  const candidates = [process.env.GEMLENS_NVCC, ...onPath, "/usr/local/cuda/bin/nvcc", fetched];
  return candidates.find((path) => path && existsSync(path) && usable(path));
}

/** Fetches the wheels into the cache folder and returns nvcc's path. */
export async function fetchNvcc() {
  const target = await targetFolder();
  mkdirSync(join(target, ".."), { recursive: true });
  const temporary = mkdtempSync(`${target}.partial-`);
  try {
    for (const python of ["python3", "python"]) {
      const args = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", temporary];
      for (const minor of [28, 17, 12]) args.push("--platform", `manylinux_2_${minor}_x86_64`);
      args.push("--only-binary=:all:", "--upgrade");
      args.push("--no-warn-script-location", "--disable-pip-version-check", ...wheels);
      const env = { ...process.env, PIP_ROOT_USER_ACTION: "ignore" };
      const run = spawnSync(python, args, { stdio: ["ignore", 2, 2], env });
      if (run.status === 0) break;
      if (run.error?.code === "ENOENT") continue;
      throw new Error(`nvcc: pip could not fetch ${wheels.join(" ")}`);
    }
    if (!existsSync(nvccIn(temporary))) {
      throw new Error("nvcc: no Python with pip on PATH to fetch it with");
    }
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return nvccIn(target);
}

async function main() {
  console.log((await findNvcc()) ?? (await fetchNvcc()));
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) main();
