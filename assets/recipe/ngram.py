"""Baselines on token ids: unigram entropy and Witten-Bell n-gram cross-entropy."""

import math
from collections import defaultdict

import numpy as np


def unigram_entropy(ids):
    count = np.bincount(np.concatenate(ids))
    p = count[count > 0] / count.sum()
    return float(-(p * np.log(p)).sum())


class WittenBell:
    """P(w|h) = (c(h,w) + T(h) P(w|h')) / (c(h) + T(h)), h' being h without its oldest token; the
    floor is uniform over the vocabulary. T(h) is the number of different words seen after h."""

    def __init__(self, docs, order, vocab):
        self.order, self.vocab = order, vocab
        self.seen = [defaultdict(int) for _ in range(order)]
        self.total = [defaultdict(int) for _ in range(order)]
        self.types = [defaultdict(int) for _ in range(order)]
        for n in range(order):
            base = vocab ** np.arange(n, -1, -1, dtype=np.int64)
            source = [d[1:] for d in docs] if n == 0 else docs  # <bos> is never predicted
            grams = [np.convolve(d, base[::-1], "valid") if len(d) > n else d[:0] for d in source]
            keys, counts = np.unique(np.concatenate(grams), return_counts=True)
            self.seen[n] = dict(zip(keys.tolist(), counts.tolist()))
            heads, first = np.unique(keys // vocab, return_index=True)
            self.types[n] = dict(zip(heads.tolist(), np.diff([*first, len(keys)]).tolist()))
            self.total[n] = dict(zip(heads.tolist(), np.add.reduceat(counts, first).tolist()))

    def cross_entropy(self, docs):
        """Mean nats over all tokens except each document's first (which is <bos>)."""
        nats, tokens, v = 0.0, 0, self.vocab
        for d in docs:
            d = d.tolist()
            for i in range(1, len(d)):
                p = 1.0 / v
                head = 0
                for n in range(min(self.order, i + 1)):
                    head = head if n == 0 else head + d[i - n] * v ** (n - 1)
                    total = self.total[n].get(head, 0)
                    if total:
                        kinds = self.types[n][head]
                        p = (self.seen[n].get(head * v + d[i], 0) + kinds * p) / (total + kinds)
                nats -= math.log(p)
                tokens += 1
        return nats / tokens
