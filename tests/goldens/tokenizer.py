"""A small tokenizer in Gemma's format, and the results of tokenizers and transformers on text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from jinja2 import TemplateError
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
from transformers import AutoTokenizer

from .common import save_json
from .texts import CASES, GEMMA2_TEMPLATE, GEMMA3_TEMPLATE, sentences

VOCABULARY = 600
RESERVED = [
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "<2mass>",
    "[@BOS@]",
    *(f"<unused{i}>" for i in range(4)),
]
TURNS = ["<start_of_turn>", "<end_of_turn>"]
RUNS = ["\n" * n for n in range(1, 5)] + ["▁" * n for n in range(2, 5)]
MARKUP = ["<table>", "</table>", "<h1>", "<code>"]
SPECIAL = {*RESERVED[:4], *TURNS}


def train() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges. Words are split for training only; Gemma's pre-tokenizer does not."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Split(
        Regex(r"▁?\p{L}+|\d|\n+|▁+|[^\p{L}\d\n▁]"), "isolated"
    )
    fixed = [*RESERVED, *TURNS, *RUNS, *MARKUP, *(f"<0x{i:02X}>" for i in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(fixed), show_progress=False, min_frequency=2
    )
    learner.train_from_iterator(sentences(), trainer)
    learned = json.loads(learner.to_str())["model"]
    # runs of newlines and of ▁ have separate merges, as in the published file
    merges = [("\n", "\n"), ("\n\n", "\n\n"), ("\n\n", "\n"), ("▁", "▁"), ("▁▁", "▁▁"), ("▁▁", "▁")]
    merges += [tuple(pair) for pair in learned["merges"] if "".join(pair) not in RUNS]
    pieces = [p for p in sorted(learned["vocab"], key=learned["vocab"].get) if p not in fixed]
    # merged pieces before single characters, as SentencePiece orders them
    pieces.sort(key=lambda p: len(p) == 1)
    vocabulary = {piece: i for i, piece in enumerate([*fixed, *pieces])}
    return vocabulary, merges


def build() -> Tokenizer:
    vocabulary, merges = train()
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A",
        pair="<bos> $A <bos>:1 $B:1",
        special_tokens=[("<bos>", vocabulary["<bos>"])],
    )
    for content in [*RESERVED, *TURNS, *RUNS, *MARKUP]:
        added = AddedToken(content, normalized=False, special=content in SPECIAL)
        (tokenizer.add_special_tokens if content in SPECIAL else tokenizer.add_tokens)([added])
    return tokenizer


def configuration(tokenizer: Tokenizer, template: str) -> dict:
    decoder = {
        str(i): {
            "content": t.content,
            "lstrip": t.lstrip,
            "normalized": t.normalized,
            "rstrip": t.rstrip,
            "single_word": t.single_word,
            "special": t.special,
        }
        for i, t in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": decoder,
        "additional_special_tokens": TURNS,
        "bos_token": "<bos>",
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<eos>",
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>",
        "sp_model_kwargs": {},
        "spaces_between_special_tokens": False,
        "tokenizer_class": "GemmaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }


def write(folder: Path, tokenizer: Tokenizer, template: str, older: bool) -> None:
    """The files of a published tokenizer; the older form spells a merge as one string."""
    file = json.loads(tokenizer.to_str())
    if older:
        file["model"]["merges"] = [" ".join(pair) for pair in file["model"]["merges"]]
    save_json(folder / "tokenizer.json", file)
    assert Tokenizer.from_file(str(folder / "tokenizer.json")).to_str() == tokenizer.to_str()
    save_json(folder / "tokenizer_config.json", configuration(tokenizer, template))

    def token(content: str) -> dict:
        return {
            "content": content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
        }

    save_json(
        folder / "special_tokens_map.json",
        {
            "additional_special_tokens": TURNS,
            "bos_token": token("<bos>"),
            "eos_token": token("<eos>"),
            "pad_token": token("<pad>"),
            "unk_token": token("<unk>"),
        },
    )


CHATS = [
    [{"role": "user", "content": "Hello, who are you?"}],
    [
        {"role": "user", "content": "  Count to three.\n"},
        {"role": "assistant", "content": "One, two, three. "},
        {"role": "user", "content": "Más, por favor 🙂"},
    ],
    [{"role": "user", "content": ""}],
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why is the sea blue?"},
    ],
    [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}],
    [{"role": "assistant", "content": "I go first."}],
]
# Gemma 2's template knows text content only
PARTS = [
    {
        "role": "user",
        "content": [{"type": "text", "text": " In parts "}, {"type": "text", "text": "of two."}],
    }
]


def chats(auto, conversations: list) -> list[dict]:
    out = []
    for messages in conversations:
        for generation in (False, True):
            case = {"messages": messages, "addGenerationPrompt": generation}
            try:
                text = auto.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=generation
                )
                # the template writes <bos> itself
                case |= {"rendered": text, "ids": auto(text, add_special_tokens=False).input_ids}
            except TemplateError as error:  # raise_exception() inside the template
                case |= {"error": str(error)}
            out.append(case)
    return out


def make(fixtures: Path) -> None:
    folder, folder3 = fixtures / "tokenizer", fixtures / "tokenizer-gemma3"
    for path in (folder, folder3):
        shutil.rmtree(path, ignore_errors=True)
    tokenizer = build()
    write(folder, tokenizer, GEMMA2_TEMPLATE, older=True)
    write(folder3, tokenizer, GEMMA3_TEMPLATE, older=False)
    auto, auto3 = AutoTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(folder3)
    cases = []
    for text in CASES:
        encoded = tokenizer.encode(text, add_special_tokens=False)
        with_bos = tokenizer.encode(text).ids
        assert with_bos == [2, *encoded.ids]
        assert auto(text).input_ids == with_bos, f"transformers disagrees on {text!r}"
        whole = tokenizer.decode(encoded.ids, skip_special_tokens=False)
        assert auto.decode(encoded.ids) == whole, f"transformers decodes {text!r} otherwise"
        cases.append(
            {
                "text": text,
                "ids": encoded.ids,
                "idsWithBos": with_bos,
                "tokens": encoded.tokens,
                "strTokens": [
                    tokenizer.decode([i], skip_special_tokens=False) for i in encoded.ids
                ],
                "decoded": whole,
                "decodedSkippingSpecial": tokenizer.decode(encoded.ids, skip_special_tokens=True),
            }
        )
    texts = [
        "The cat sat.",
        "",
        "A much longer line about the sea and the river.",
        "Où est la gare ?",
    ]
    batches = {}
    for side in ("left", "right"):
        auto.padding_side = side
        batch = auto(texts, padding=True)
        batches[side] = {"ids": batch.input_ids, "mask": batch.attention_mask}
    save_json(
        folder / "expected.json",
        {
            "vocabulary": tokenizer.get_vocab_size(),
            "cases": cases,
            "batch": {"texts": texts, **batches},
            "chat": chats(auto, CHATS),
        },
    )
    save_json(folder3 / "expected.json", {"chat": chats(auto3, [*CHATS, PARTS])})
