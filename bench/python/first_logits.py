"""Computes a checkpoint's first logits in a fresh process, with transformers:

python first_logits.py FOLDER DTYPE THREADS TOKENS [FILE]

Prints "done" after that; FILE gets the last position's logits, as float32."""

import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402


def main(folder, dtype, threads, tokens, file=None):
    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), attn_implementation="eager"
    ).eval()
    ids = torch.tensor([[int(token) for token in tokens.split(",")]])
    last = model(input_ids=ids, use_cache=False).logits[0, -1].float()
    print("done", flush=True)
    if file is not None:
        last.numpy().tofile(file)


main(*sys.argv[1:])
