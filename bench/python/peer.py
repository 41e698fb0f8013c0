"""A Python package as the bench's peer: one request a line on stdin, one answer a line on stdout.

The first line names the installed packages. The requests:
    {"do": "load", "id", "kind", "threads", …}   makes an object to time (see workloads.py)
    {"do": "run", "id", "work", …}               does the work once: {"ms": …}
    {"do": "output", "id", "work", "to", …}      writes the work's output to a file, as float32
    {"do": "unload", "id"}
A request that fails answers {"error": …}.
"""

import gc
import json
import os
import sys
import time
import traceback
from importlib.metadata import PackageNotFoundError, version

# Checkpoints are folders, so no request goes over the network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Libraries print to stderr; stdout has only answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import torch  # noqa: E402

import workloads  # noqa: E402

PACKAGES = ["torch", "transformers", "transformer-lens", "sae-lens"]


def installed():
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    # The version includes the build, +cpu or +cu132.
    found["torch"] = torch.__version__
    return found


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


class Peer:
    def __init__(self):
        self.loaded = {}
        self.devices = {}

    def load(self, request):
        self.devices[request["id"]] = request["device"]
        torch.set_num_threads(request["threads"])
        self.loaded[request["id"]] = workloads.load(request, self.loaded)
        # Loading leaves cycles and copies; their collection must not fall into a timed run.
        gc.collect()
        return {}

    def run(self, request):
        target = self.loaded[request["id"]]
        work = getattr(target, request["work"])
        start = time.perf_counter()
        # A workload that times itself (without its prompt, say) returns milliseconds.
        own = work(request)
        workloads.finish(self.devices[request["id"]])
        ms = own if isinstance(own, float) else 1000 * (time.perf_counter() - start)
        return {"ms": ms}

    def output(self, request):
        target = self.loaded[request["id"]]
        values = target.output(request)
        values.detach().to(torch.float32).cpu().contiguous().numpy().tofile(request["to"])
        return {}

    def unload(self, request):
        self.loaded.pop(request["id"], None)
        gc.collect()
        return {}


def main():
    torch.set_grad_enabled(False)
    torch.set_float32_matmul_precision("highest")
    peer = Peer()
    answer(installed())
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer(getattr(peer, request["do"])(request))
        except Exception as error:
            traceback.print_exc()
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
