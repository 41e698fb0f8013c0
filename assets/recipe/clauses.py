"""Sentences that nest: relative clauses, subordinate clauses, reported and quoted speech."""

from engine import Dice, Scene, a, capital, past
from lexicon import DEEDS, HAPPY, MANNERS, MINDS, SAD, SUBORDINATORS


class Clauses:
    def __init__(self, dice: Dice, scene: Scene, cast):
        self.d, self.s, self.cast = dice, scene, cast
        self.named = []

    def verb(self):
        return self.d.skew(self.s.verbs, 1.2) if self.d.chance(0.6) else self.d.skew(DEEDS)

    def noun(self, depth):
        """A definite thing, perhaps with an adjective or a relative clause."""
        d, thing = self.d, self.d.skew(self.s.things)
        roll = d.random()
        if roll < 0.35 or depth <= 0 and roll < 0.75:
            return f"the {thing}"
        if roll < 0.6 or depth <= 0:
            return f"the {d.skew(self.s.adjectives)} {thing}"
        if roll < 0.9:
            return f"the {thing} that {self.subject(depth - 1)} had {past(self.verb(), True)}"
        return f"the {thing} which lay near the {d.choice(self.s.places)}"

    def subject(self, depth):
        """A person of the cast, or a role of the topic, perhaps with a relative clause."""
        d, roll = self.d, self.d.random()
        if roll < 0.5:
            return self.person()
        role = d.choice(self.s.people)
        if roll < 0.75 or depth <= 0:
            return f"the {role}"
        if roll < 0.9:
            return f"the {role} who {past(self.verb())} {self.noun(depth - 1)}"
        return f"the {role} whom {self.person()} had met"

    def person(self):
        """A name, or a pronoun if this sentence has named the person already."""
        who = self.d.choice(self.cast)
        if who in self.named:
            return who.he
        self.named.append(who)
        return who.name

    def clause(self, depth=2):
        """A past-tense clause without capital or full stop."""
        d, roll = self.d, self.d.random()
        subject = self.subject(depth)
        if roll < 0.45 or depth <= 0:
            manner = f" {d.skew(MANNERS)}" if d.chance(0.2) else ""
            return f"{subject} {past(self.verb())} {self.noun(depth - 1)}{manner}"
        if roll < 0.55:
            return f"{subject} was {d.skew(HAPPY if d.chance(0.5) else SAD)}"
        if roll < 0.65:
            return f"{subject} went to the {d.choice(self.s.places)} with {self.noun(depth - 2)}"
        if roll < 0.78:
            return f"{subject} {past(d.skew(MINDS))} that {self.clause(depth - 1)}"
        if roll < 0.85:
            role = d.choice(self.s.people)
            return f"{subject} gave {self.noun(depth - 1)} to the {role}"
        joint = d.skew(SUBORDINATORS, 1.4)
        return f"{self.clause(depth - 2)} {joint} {self.clause(depth - 1)}"

    def sentence(self, depth=2):
        d, roll = self.d, self.d.random()
        self.named = []
        if roll < 0.6:
            return capital(self.clause(depth)) + "."
        if roll < 0.75:
            joint = d.skew(SUBORDINATORS, 1.4)
            return f"{joint.capitalize()} {self.clause(depth - 1)}, {self.clause(depth - 1)}."
        if roll < 0.9:
            return self.quote(depth)
        return f"Then {d.choice(self.s.events)}."

    def quote(self, depth=1):
        d, who = self.d, self.d.choice(self.cast).name
        self.named = []
        said = capital(self.clause(depth - 1))
        if d.chance(0.6):
            return f'"{said}," said {who}.'
        if d.chance(0.5):
            return f'{who} {d.choice(["said", "whispered", "shouted", "answered"])}, "{said}."'
        self.named = []
        return f'"{said}," said {who}. "{capital(self.clause(depth - 1))}."'

    def thing(self):
        """An indefinite new thing of the topic."""
        d = self.d
        return a(f"{d.skew(self.s.adjectives)} {self.s.thing}" if d.chance(0.6) else self.s.thing)
