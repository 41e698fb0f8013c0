"""The template engine: choice, inflection, and the state of one document (people, topic)."""

import random
import re

from lexicon import BOYS, DOUBLE, GIRLS, IRREGULAR, TOPICS

VOWELS = "aeiou"


def third(verb):
    head, _, tail = verb.partition(" ")
    if head.endswith(("s", "sh", "ch", "x", "o")):
        head += "es"
    elif head.endswith("y") and head[-2] not in VOWELS:
        head = head[:-1] + "ies"
    else:
        head += "s"
    return f"{head} {tail}".strip()


def past(verb, participle=False):
    head, _, tail = verb.partition(" ")
    if head in IRREGULAR:
        head = IRREGULAR[head][1 if participle else 0]
    elif head in DOUBLE:
        head = DOUBLE[head] + "ed"
    elif head.endswith("e"):
        head += "d"
    elif head.endswith("y") and head[-2] not in VOWELS:
        head = head[:-1] + "ied"
    else:
        head += "ed"
    return f"{head} {tail}".strip()


def ing(verb):
    head, _, tail = verb.partition(" ")
    if head in DOUBLE:
        head = DOUBLE[head] + "ing"
    elif head.endswith("e") and not head.endswith("ee"):
        head = head[:-1] + "ing"
    else:
        head += "ing"
    return f"{head} {tail}".strip()


def plural(noun):
    if noun.endswith(("s", "sh", "ch", "x")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in VOWELS:
        return noun[:-1] + "ies"
    if noun.endswith("man"):
        return noun[:-3] + "men"
    if noun.endswith("f"):
        return noun[:-1] + "ves"
    return {"child": "children", "mouse": "mice"}.get(noun, noun + "s")


def a(noun):
    """The noun phrase with its indefinite article."""
    sound = noun[0].lower() in VOWELS and not re.match(r"(use|uni|euro|one)", noun.lower())
    return ("an " if sound or noun.startswith(("hour", "honest")) else "a ") + noun


def capital(text):
    return text[:1].upper() + text[1:]


class Dice(random.Random):
    """Random choices of the grammar."""

    def skew(self, items, power=1.7):
        return items[int(len(items) * self.random() ** power)]

    def some(self, items, count):
        """Draws `count` different items, early ones more often."""
        out = []
        while len(out) < count:
            item = self.skew(items)
            if item not in out:
                out.append(item)
        return out

    def chance(self, p):
        return self.random() < p

    def fill(self, template, **slots):
        """Resolves [a|b] randomly, innermost first, then {slot}."""
        while "[" in template:
            template = re.sub(r"\[([^\[\]]*)\]", lambda m: self.choice(m[1].split("|")), template)
        return template.format(**slots) if "{" in template else template


class Person:
    def __init__(self, dice, taken=()):
        while True:
            self.girl = dice.chance(0.5)
            self.name = dice.skew(GIRLS if self.girl else BOYS)
            if all(self.name != p.name for p in taken):
                break
        self.he, self.him, self.his = ("she", "her", "her") if self.girl else ("he", "him", "his")
        self.noun = "girl" if self.girl else "boy"

    @property
    def He(self):
        return capital(self.he)

    @property
    def His(self):
        return capital(self.his)

    @property
    def himself(self):
        return "herself" if self.girl else "himself"


class Scene:
    """One topic's words for one document. `things` and `people` are short lists, so they recur."""

    def __init__(self, dice, topic=None):
        self.topic = topic or dice.skew(list(TOPICS), 1.3)
        words = TOPICS[self.topic]
        self.places = dice.some(words["places"], 2)
        self.people = dice.some(words["people"], 2)
        self.things = dice.some(words["things"], 3)
        self.adjectives = dice.some(words["adjectives"], 2)
        self.verbs, self.events = words["verbs"], words["events"]
        self.place, self.thing, self.other = self.places[0], self.things[0], self.people[0]
