"""The whole recipe: text, tokenizer, language model, coders, export, evaluation.

    python assets/recipe/main.py --work DIR --out assets/tiny-gemma2

Each stage writes a file to DIR; a stage whose file exists is skipped."""

import os
import sys

# by default torch's allocator returns pages to the kernel at every step
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    "MALLOC_ARENA_MAX": "2",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    # waiting threads sleep, which leaves the cores to other programs
    "OMP_WAIT_POLICY": "PASSIVE",
}
if __name__ == "__main__" and os.environ.get("MALLOC_ARENA_MAX") != "2":
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
import torch

import coders
import export
import lm
import tokenizer
from evaluate import Bench, evaluate
from model import Gemma2, Shape
from pack import encode, pack, read_corpus, shuffled, write_corpus
from tune import tune

SEED = 7
DOCUMENTS, HELD_DOCUMENTS = 330_000, 12_000
VOCAB, LENGTH = 3072, 256
LM = {"steps": 1800, "batch": 16, "lr": 3e-3}
WIDTHS = {"res": 1024, "mlp": 512, "att": 512, "transcoders": 512}
# groups of coders trained together: site -> target of mean active features; options
GROUPS = [
    ({"res": 15.3, "att": 17.0}, {"steps": 2600, "size": 1900, "lr": 8e-3}),
    ({"mlp": 23.6, "transcoders": 23.6}, {"steps": 5000, "size": 1900, "lr": 8e-3}),
]
# in-place training at the end; the held-out text gives 2 % more active features than packed rows
TUNED = {"mlp": 23.2, "transcoders": 23.1}
TUNE = {"steps": 240, "batch": 6, "lr": 7e-4}


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def text_stage(work):
    train, held = work / "train.jsonl", work / "held.jsonl"
    if not train.exists():
        part = work / "train.part"
        write_corpus(part, DOCUMENTS, SEED)
        part.replace(train)
    docs = read_corpus(train)
    if not held.exists():
        part = work / "held.part"
        write_corpus(part, HELD_DOCUMENTS, SEED + 1, {d["text"] for d in docs})
        part.replace(held)
    texts = [d["text"] for d in docs]
    say(
        f"text: {len(texts)} documents, {sum(map(len, texts))} characters, "
        f"{tokenizer.word_types(texts)} word types, {len(read_corpus(held))} held out"
    )
    return texts


def tokenizer_stage(work, texts):
    if not (work / "tokenizer.json").exists():
        tokenizer.save(tokenizer.build(texts, VOCAB), work)
    return tokenizer.load(work)


def pack_stage(work, texts, tok):
    path = work / "rows.npy"
    if not path.exists():
        ids = encode(tok, shuffled(texts, SEED))
        rows = pack(ids, LENGTH, *(tok.token_to_id(t) for t in ("<bos>", "<eos>", "<pad>")))
        part = work / "rows.part.npy"
        np.save(part, rows)
        part.replace(path)
    rows = np.load(path)
    say(f"rows: {rows.shape}, vocabulary {tok.get_vocab_size()}")
    return rows


def lm_stage(work, rows, tok):
    path = work / "model.pt"
    if not path.exists():
        net = lm.train(
            rows,
            tok.token_to_id("<pad>"),
            tok.get_vocab_size(),
            **LM,
            seed=SEED,
            say=say,
            keep=work / "lm-checkpoint.pt",
        )
        # later stages train and evaluate on the saved weights
        save({n: p.to(torch.bfloat16) for n, p in net.state_dict_hf().items()}, path)
    return torch.load(path, weights_only=True)


def coder_stage(work, rows, tok, tensors):
    """One file per site; trains a group's sites without a file together."""
    shape = Shape(tok.get_vocab_size(), tok.token_to_id("<bos>"))
    net = Gemma2(shape, LENGTH).load_hf(tensors).requires_grad_(False)
    # rows that the language model did not see
    fresh = rows[np.random.default_rng(SEED).permutation(len(rows))][LM["steps"] * LM["batch"] :]
    for targets, options in GROUPS:
        missing = [s for s in targets if not (work / f"coders-{s}.pt").exists()]
        specs = [
            coders.Spec(s, layer, WIDTHS[s], targets[s])
            for s in missing
            for layer in range(shape.layers)
        ]
        trained = (
            coders.train(net, fresh, tok.token_to_id("<pad>"), specs, **options, seed=SEED, say=say)
            if specs
            else []
        )
        for site in missing:
            save(
                {
                    c.spec.layer: {k: torch.from_numpy(v) for k, v in c.folded().items()}
                    for c in trained
                    if c.spec.site == site
                },
                work / f"coders-{site}.pt",
            )
    found = {s: torch.load(work / f"coders-{s}.pt", weights_only=True) for s in WIDTHS}
    for site, target in TUNED.items():
        path = work / f"tuned-{site}.pt"
        if not path.exists():
            done = {}
            for layer, p in found[site].items():
                arrays = {k: v.numpy() for k, v in p.items()}
                spec = coders.Spec(site, layer, WIDTHS[site], target)
                arrays = tune(
                    net, fresh, tok.token_to_id("<pad>"), spec, arrays, **TUNE, seed=SEED, say=say
                )
                done[layer] = {k: torch.from_numpy(v) for k, v in arrays.items()}
            save(done, path)
        found[site] = torch.load(path, weights_only=True)
    return found


def export_stage(work, out, texts, tok, tensors, trained):
    out.mkdir(parents=True, exist_ok=True)
    shape = Shape(tok.get_vocab_size(), tok.token_to_id("<bos>"))
    export.model(out, tensors, shape)
    export.tokens(out, work, tok)
    held = export.held_out(out, read_corpus(work / "held.jsonl"), tok, shape.bos)
    if not (work / "ngram.json").exists():
        export.baselines(work, texts, held, tok, shape.bos, shape.vocab)
    shutil.copyfile(work / "ngram.json", out / "ngram.json")
    say(f"exported model, tokenizer and {len(held)} held-out documents")
    agree(out, tensors, shape)
    paths = [
        export.coder(out, site, layer, {k: v.numpy() for k, v in arrays.items()})
        for site, layers in trained.items()
        for layer, arrays in layers.items()
    ]
    export.name_by_l0(paths, out)


def agree(out, tensors, shape):
    """Checks that the training model and transformers give the same logits on the saved weights."""
    bench = Bench(out)
    mine = Gemma2(shape, LENGTH).load_hf(tensors)
    rows, real = bench.batches[-1]
    with torch.no_grad():
        far = (mine(rows[:4]) - bench.net(input_ids=rows[:4]).logits)[real[:4]].abs().max().item()
    say(f"largest difference of logits to transformers: {far:.2e}")
    if far > 1e-3:
        raise ArithmeticError("training's model is not transformers' Gemma 2")


def save(value, path):
    torch.save(value, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--work", type=Path, required=True)
    ask.add_argument("--out", type=Path, required=True)
    args = ask.parse_args()
    torch.set_num_threads(2)
    args.work.mkdir(parents=True, exist_ok=True)
    texts = text_stage(args.work)
    tok = tokenizer_stage(args.work, texts)
    rows = pack_stage(args.work, texts, tok)
    tensors = lm_stage(args.work, rows, tok)
    trained = coder_stage(args.work, rows, tok, tensors)
    export_stage(args.work, args.out, texts, tok, tensors, trained)
    sys.exit(0 if evaluate(args.out) else 1)


if __name__ == "__main__":
    main()
