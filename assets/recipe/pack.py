"""Text on disk, and rows of token ids packed from it."""

import json
import random
from pathlib import Path

import numpy as np

from engine import Dice
from registers import document


def write_corpus(path: Path, documents, seed, avoid=frozenset()):
    """Writes generated documents as JSON lines, without those in `avoid`."""
    d = Dice(seed)
    with path.open("w", encoding="utf-8") as out:
        for _ in range(documents):
            register, text = document(d)
            if text not in avoid:
                out.write(
                    json.dumps({"register": register, "text": text}, ensure_ascii=False) + "\n"
                )


def read_corpus(path: Path):
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def encode(tok, texts):
    """One id array per text, without <bos>."""
    out = []
    for at in range(0, len(texts), 5000):
        batch = tok.encode_batch(texts[at : at + 5000], add_special_tokens=False)
        out += [np.array(e.ids, dtype=np.int32) for e in batch]
    return out


def pack(docs, length, bos, eos, pad):
    """Rows of `<bos> doc <eos>` of `length` + 1 ids (the last is only a target). A document cut at
    the end of a row starts the next row again, so that no row begins within a document."""
    rows, row = [], []
    for ids in docs:
        while True:
            room = length + 1 - len(row)
            if room < 16 and row:
                rows.append(row + [pad] * room)
                row = []
                continue
            row = row + [bos, *ids.tolist(), eos]
            if len(row) <= length + 1:
                break
            cut_alone = len(ids) + 2 > length + 1 and room == length + 1
            rows.append(row[: length + 1])
            row = []
            if cut_alone:
                break
    return np.array(rows, dtype=np.int32)


def shuffled(docs, seed):
    docs = list(docs)
    random.Random(seed).shuffle(docs)
    return docs
