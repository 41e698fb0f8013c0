import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import type { Addon } from "../native/addon.js";
import {
  describeCandidate,
  type LibtorchCandidate,
  libtorchCandidates,
} from "../native/libtorch.js";
import { coreMinors, findArtefacts, loadWithReport } from "../native/load.js";
import { glibcVersion } from "../native/platform.js";

/** The report of `gemlens doctor`. */
export interface DoctorReport {
  /** Whether the addon loads. */
  readonly ok: boolean;
  /** Node's version, such as `v22.12.0`. */
  readonly node: string;
  /** Such as `linux-x64`. */
  readonly platform: string;
  /** undefined on musl. */
  readonly glibc: string | undefined;
  /** The processor. */
  readonly cpu: {
    /** As it names itself. */
    readonly model: string;
    /** Threads that this process may use. */
    readonly threads: number;
    /** Those of the instruction sets that kernels are built for that this processor has. */
    readonly flags: readonly string[];
  };
  /** The machine's memory. */
  readonly memoryBytes: number;
  /** The native files. */
  readonly artefacts: {
    /** The folder with gemlens.node; undefined if none was found. */
    readonly dir: string | undefined;
    /** The torch minors that it has a core for, such as "2.15". */
    readonly cores: readonly string[];
    /** Whether it has the CUDA plugin. */
    readonly cudaPlugin: boolean;
  };
  /** Every path where libtorch was looked for, in order. */
  readonly libtorch: readonly LibtorchCandidate[];
  /** The one that was loaded. */
  readonly loaded:
    | {
        /** Where it was found. */
        readonly libtorch: LibtorchCandidate;
        /** The core's file. */
        readonly core: string;
        /**
         * The instruction set whose kernels are in use: "portable", "avx2" or "avx512", or "composed" if
         * none are. The highest that the CPU has, unless the environment variable `GEMLENS_ISA` names a
         * lower one.
         */
        readonly instructionSet: string;
        /** The instruction set that libtorch's own kernels use, such as "AVX512". */
        readonly libtorchInstructionSet: string;
      }
    | undefined;
  /** The state of CUDA. */
  readonly cuda: {
    /** The NVIDIA driver's version; undefined without one. */
    readonly driver: string | undefined;
    /** Why CUDA is not loaded, or its kernels do not run; undefined if they do. */
    readonly problem: string | undefined;
  };
  /** Why the addon does not load; undefined if it does. */
  readonly problem: string | undefined;
  /** Remedies, one command or sentence each. */
  readonly remedies: readonly string[];
}

// Kernels are built for these instruction sets.
const cpuFlags = ["avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16"];

/** Checks everything that loading depends on, then loads; `gemlens doctor` prints the report. Never throws. */
export function doctor(): DoctorReport {
  const artefacts = inspectArtefacts();
  const outcome = tryLoading();
  return {
    ok: outcome.loaded !== undefined,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    glibc: glibcVersion(),
    cpu: inspectCpu(),
    memoryBytes: totalmem(),
    artefacts,
    libtorch: [...libtorchCandidates()],
    loaded: outcome.loaded,
    cuda: { driver: nvidiaDriver(), problem: outcome.cudaProblem },
    problem: outcome.problem,
    remedies: outcome.remedies,
  };
}

/** Formats the report: one fact a line, attempts in order, remedies last. */
export function formatDoctor(report: DoctorReport): string {
  const { artefacts, cpu, cuda, loaded } = report;
  const libc = report.glibc === undefined ? "no glibc (musl)" : `glibc ${report.glibc}`;
  const lines = [
    `system     node ${report.node}, ${report.platform}, ${libc}`,
    `cpu        ${cpu.model}, ${cpu.threads} threads: ${cpu.flags.join(" ")}`,
    ...(loaded === undefined
      ? []
      : [`kernels    ${loaded.instructionSet}; libtorch's ${loaded.libtorchInstructionSet}`]),
    `memory     ${(report.memoryBytes / 2 ** 30).toFixed(1)} GiB`,
    `artefacts  ${artefacts.dir ?? "none"}`,
    `           cores for libtorch ${artefacts.cores.join(", ") || "none"}; CUDA plugin ${artefacts.cudaPlugin ? "built" : "not built"}`,
    "libtorch, in order:",
    ...report.libtorch.map((candidate, i) => {
      const mark = loaded?.libtorch.dir === candidate.dir ? "   <- loaded" : "";
      const core =
        candidate.minor !== undefined && !artefacts.cores.includes(candidate.minor)
          ? `: no core is built for ${candidate.minor}`
          : "";
      return `  ${i + 1}. ${describeCandidate(candidate)}${core}${mark}`;
    }),
    `cuda       driver ${cuda.driver ?? "none"}; ${cuda.problem ?? "libtorch_cuda and the plugin are loaded, and its kernels run"}`,
    report.problem === undefined ? "ok         the addon loads" : `PROBLEM    ${report.problem}`,
    ...report.remedies.map((remedy, i) => `  ${i + 1}. ${remedy}`),
  ];
  return lines.join("\n");
}

function inspectArtefacts(): DoctorReport["artefacts"] {
  try {
    const dir = findArtefacts();
    const cudaPlugin = existsSync(join(dir, "libgemlens_cuda.so"));
    return { dir, cores: coreMinors(dir), cudaPlugin };
  } catch {
    return { dir: undefined, cores: [], cudaPlugin: false };
  }
}

function tryLoading(): Pick<DoctorReport, "loaded" | "problem" | "remedies"> & {
  cudaProblem: string | undefined;
} {
  try {
    const { addon, report } = loadWithReport();
    const { libtorch, core } = report;
    const { instructionSet, cpuCapability: libtorchInstructionSet } = addon.info();
    const cudaProblem = report.cudaProblem ?? probeCuda(addon);
    const loaded = { libtorch, core, instructionSet, libtorchInstructionSet };
    return { loaded, cudaProblem, problem: undefined, remedies: [] };
  } catch (error) {
    const fields = GemlensError.is(error) ? error.fields : {};
    return {
      loaded: undefined,
      cudaProblem: "nothing is loaded",
      problem: (fields["problem"] as string | undefined) ?? String(error),
      remedies: (fields["remedies"] ?? []) as string[],
    };
  }
}

/** Why kernels do not run. Called only if libtorch_cuda and the plugin are loaded. */
function probeCuda(addon: Addon): string | undefined {
  try {
    addon.cudaProbe();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function inspectCpu(): DoctorReport["cpu"] {
  const info = readIfThere("/proc/cpuinfo");
  const flags = new Set(info?.match(/^flags\s*:\s*(.*)$/m)?.[1]?.split(" "));
  return {
    model: cpus()[0]?.model ?? "unknown",
    threads: availableParallelism(),
    flags: cpuFlags.filter((flag) => flags.has(flag)),
  };
}

function nvidiaDriver(): string | undefined {
  return readIfThere("/proc/driver/nvidia/version")?.match(/Module.*?\s(\d+\.\d+[\d.]*)/)?.[1];
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
