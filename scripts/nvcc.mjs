// nvcc 13.0 as wheels, for machines that have no CUDA toolkit (continuous integration among them).
//   node scripts/nvcc.mjs        prints the path of an nvcc, fetching one when there is none
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const wheels = [
  "nvidia-cuda-nvcc==13.0.88",
  "nvidia-nvvm==13.0.88",
  "nvidia-cuda-crt==13.0.88",
  "nvidia-cuda-cccl==13.0.85",
  "nvidia-cuda-runtime==13.0.96",
];

function cacheFolder() {
  const { GEMLENS_CACHE, XDG_CACHE_HOME } = process.env;
  if (GEMLENS_CACHE) return resolve(GEMLENS_CACHE);
  return join(XDG_CACHE_HOME || join(homedir(), ".cache"), "gemlens");
}

const target = join(cacheFolder(), "nvcc", "13.0.88");
const fetched = join(target, "nvidia/cu13/bin/nvcc");

// sm_90a needs 12.0; anything older would fail on the first kernel.
function usable(nvcc) {
  const run = spawnSync(nvcc, ["--version"], { encoding: "utf8" });
  const major = Number(run.stdout?.match(/release (\d+)\./)?.[1] ?? 0);
  return major >= 12;
}

/** GEMLENS_NVCC, an nvcc on PATH or in its usual folder, or one fetched earlier. */
export function findNvcc() {
  const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "nvcc"));
  const places = [process.env.GEMLENS_NVCC, ...onPath, "/usr/local/cuda/bin/nvcc", fetched];
  return places.find((path) => path && existsSync(path) && usable(path));
}

/** Fetches the wheels into the cache folder and returns nvcc's path. */
export function fetchNvcc() {
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
    if (!existsSync(join(temporary, "nvidia/cu13/bin/nvcc"))) {
      throw new Error("nvcc: no Python with pip on PATH to fetch it with");
    }
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return fetched;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  console.log(findNvcc() ?? fetchNvcc());
}
