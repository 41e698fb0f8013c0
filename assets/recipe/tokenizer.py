"""A tokenizer in Gemma's format: spaces become ▁, BPE with byte fallback, six named specials."""

import json
import re
from collections import Counter
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SPECIALS = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]

CHAT_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


def learn_merges(texts, size):
    """Merges of plain BPE over words: single digits, runs of newlines, runs of spaces."""
    plain = Tokenizer(models.BPE())
    plain.normalizer = normalizers.Replace(" ", "▁")
    plain.pre_tokenizer = pre_tokenizers.Split(
        Regex(r"▁?\p{L}+|\d|\n+|▁+|[^\p{L}\d\n▁]"), "isolated"
    )
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=[])
    clean = (re.sub(r"<(start|end)_of_turn>", "\n", t) for t in texts)
    plain.train_from_iterator(clean, trainer)
    model = json.loads(plain.to_str())["model"]
    vocab = sorted(model["vocab"], key=model["vocab"].get)
    return vocab, [
        tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]
    ]


def build(texts, size):
    learned, merges = learn_merges(texts, size - len(SPECIALS) - len(BYTES))
    vocab = {t: i for i, t in enumerate([*SPECIALS, *BYTES, *learned])}
    tok = Tokenizer(
        models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tok.normalizer = normalizers.Replace(" ", "▁")
    tok.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tok.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tok.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", vocab["<bos>"])]
    )
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIALS])
    return tok


def save(tok, folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    tok.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}

    def entry(text):
        return {
            "content": text,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
        }

    extra = ["<start_of_turn>", "<end_of_turn>"]
    special = {k: entry(v) for k, v in names.items()}
    dump(folder / "special_tokens_map.json", {"additional_special_tokens": extra, **special})
    dump(
        folder / "tokenizer_config.json",
        {
            "add_bos_token": True,
            "add_eos_token": False,
            "added_tokens_decoder": {
                str(i): {**entry(t), "special": True} for i, t in enumerate(SPECIALS)
            },
            "additional_special_tokens": extra,
            **names,
            "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "model_max_length": 1024,
            "spaces_between_special_tokens": False,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    )


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def load(folder: Path):
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def word_types(texts):
    """The number of different words in the texts."""
    count = Counter()
    for t in texts:
        count.update(re.findall(r"[^\W\d_]+", t))
    return len(count)


def dump_rows(path, value):
    """One entry per line."""
    rows = [
        f"  {json.dumps(k, ensure_ascii=False)}: {json.dumps(v, ensure_ascii=False)}"
        for k, v in value.items()
    ]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
