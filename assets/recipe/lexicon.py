"""The words, facts and topics of the grammar, from the JSON files in this folder.

Lists are ordered: `skew` in engine.py takes early words more often, so that word frequencies fall
off as in natural text. The columns of the tables in facts.json:

    OPPOSITES  a word, its opposite
    COUNTRIES  capital, second city, language, continent, money, food, people
    ANIMALS    sound, food, home, baby, covering, group, legs, deed
    JOBS       place, tool, deed
    IRREGULAR  past tense, participle
    DOUBLE     the stem before -ed and -ing
    KINDS      members
    ASPECTS    parts of a product that a review praises or criticises
    MADE       material
    SCIENCE    subject, verb, condition, explanation
    TRANSLATE  French, Spanish, German
    FOREIGN    sentences of a language
    RHYMES     a word, its rhyme
"""

import json
from pathlib import Path


def table(name):
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))


globals().update(table("words"), **table("facts"))
TOPICS = table("topics")
