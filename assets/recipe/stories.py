"""Stories of several sentences with one plot each. Earlier sentences determine owners, locations and
the end, so that a reader who remembers them can predict the rest."""

from clauses import Clauses
from engine import Person, Scene, a, capital, ing, past
from lexicon import COLOURS, DAYS, FAMILY, HAPPY, MANNERS, MONTHS, SAD, SEASONS


def opening(d, who, scene):
    return d.fill(
        d.choice(
            [
                "One {adj} [day|morning|evening], {n} went to the {place}.",
                "Once upon a time there was a [little |young |kind |]{noun} [named|called] {n}. "
                "{He} lived near the {place}.",
                "On {day}, {n} was at the {place} with {his} {fam}.",
                "It was a [cold|warm|long|quiet] day in {month}. "
                "{n} and {his} {fam} walked to the {place}.",
                "{n} was a [brave|clever|shy|curious] {noun} who [loved|liked] the {place}.",
                "Last {season}, {n} found work at the {place}.",
            ]
        ),
        n=who.name,
        He=who.He,
        his=who.his,
        noun=who.noun,
        place=scene.place,
        adj=d.choice(["sunny", "rainy", "windy", "cold", "fine"]),
        day=d.skew(DAYS, 1.2),
        fam=d.skew(FAMILY),
        month=d.skew(MONTHS, 1.2),
        season=d.choice(SEASONS),
    )


def lost(d, who, friend, s, c):
    colour = d.skew(COLOURS)
    spot = s.places[1]
    yield (
        f"{who.He} had {a(colour + ' ' + s.thing)} "
        f"that {who.his} {d.skew(FAMILY)} had given {who.him}."
    )
    if d.chance(0.6):
        yield c.sentence()
    yield d.fill("[But|Then] {n} lost the {c} {t}.", c=colour, t=s.thing, n=who.name)
    yield f"{who.He} was very {d.skew(SAD)}."
    yield f'"Where is my {s.thing}?" asked {who.name}.'
    yield f'"I saw {a(colour + " " + s.thing)} at the {spot}," said {friend.name}.'
    if d.chance(0.5):
        yield c.sentence()
    yield f"So they went to the {spot} together."
    if d.chance(0.75):
        yield f"There was the {colour} {s.thing}!"
        yield f"{who.name} thanked {friend.name} and was {d.skew(HAPPY)} again."
    else:
        yield f"But the {s.thing} was not there."
        yield f"{who.name} stayed {d.skew(SAD)} and went home."


def gift(d, who, friend, s, c):
    yield f"{who.He} wanted to give {friend.name} {c.thing()}."
    yield f"{who.name} asked the {s.other} for help."
    if d.chance(0.5):
        yield c.sentence()
    yield d.fill(
        'The {o} said, "I can [make|find|get] {t} for you, but you must help me first."',
        o=s.other,
        t=a(s.thing),
    )
    verb = d.skew(s.verbs)
    second = s.things[1]
    yield f"So {who.name} had to {verb} the {second}."
    yield (
        f"After {who.name} had {past(verb, True)} the {second}, "
        f"the {s.other} gave {who.him} the {s.thing}."
    )
    yield f"{who.name} ran to {friend.name} with the {s.thing}."
    yield (f'"Thank you, {who.name}!" said {friend.name}. {friend.He} was very {d.skew(HAPPY)}.')


def quarrel(d, who, friend, s, c):
    verb = d.skew(s.verbs)
    yield f"{who.name} and {friend.name} both wanted to {verb} the {s.thing}."
    yield f'"I saw it first," said {who.name}. "No, it is mine," said {friend.name}.'
    if d.chance(0.6):
        yield c.sentence()
    yield f"The {s.other} who worked there heard them."
    yield f'"You can {verb} the {s.thing} together," said the {s.other}.'
    if d.chance(0.7):
        yield f"So {who.name} and {friend.name} {past(verb)} the {s.thing} together."
        yield "From that day on they were good friends."
    else:
        yield f"But {friend.name} was {d.skew(SAD)} and went away."
        yield f"{who.name} was alone with the {s.thing}."


def trouble(d, who, friend, s, c):
    event = d.choice(s.events)
    yield f"{who.He} wanted to {d.skew(s.verbs)} the {s.thing}, but {event}."
    yield f"{who.name} was {d.skew(SAD)}, because {who.he} could not see the {s.other}."
    if d.chance(0.6):
        yield c.sentence()
    yield f"When {event}, {friend.name} came from the {s.places[1]}."
    comfort = d.choice(["Do not be afraid", "Do not worry", "Stay here"])
    yield f'"{comfort}, {who.name}," said {friend.name}.'
    yield (
        f"{friend.name} took the {s.thing} and {who.name} held the {s.things[1]}, "
        f"until they reached the {s.places[1]}."
    )
    yield f"There they were safe. {who.name} was {d.skew(HAPPY)}, because {friend.name} had come."


def ramble(d, who, friend, s, c):
    for _ in range(d.randint(3, 6)):
        yield c.sentence(3)
    yield f"In the evening {who.name} was {d.skew(HAPPY if d.chance(0.6) else SAD)} and went home."


def practice(d, who, friend, s, c):
    verb, manner = d.skew(s.verbs), d.skew(MANNERS)
    yield f"{who.He} wanted to become {a(s.other)}."
    yield f'"It is not easy to be {a(s.other)}," said {who.his} {d.skew(FAMILY)}.'
    yield f"Every day {who.name} {past(verb)} the {s.thing} {manner}."
    if d.chance(0.6):
        yield c.sentence()
    yield (
        f"{friend.name}, who was {a(s.other)}, watched {who.name} and saw how {manner} "
        f"{who.he} {past(verb)} the {s.thing}."
    )
    yield f'"You are good at {ing(verb)}," said {friend.name}.'
    yield f"At last {who.name} was {a(s.other)}, and {who.he} was very {d.skew(HAPPY)}."


PLOTS = [lost, gift, quarrel, trouble, ramble, practice]


def tell(d):
    """(text, who, friend, scene) of one story."""
    s = Scene(d)
    who = Person(d)
    friend = Person(d, [who])
    c = Clauses(d, s, [who, friend])
    parts = [opening(d, who, s), *d.choice(PLOTS)(d, who, friend, s, c)]
    while d.chance(0.4) and len(parts) < 16:  # another episode with the same people and place
        parts.append(
            d.fill(
                "[The next day|A week later|In the [spring|summer|autumn|winter]|"
                "Some years later], {n} and {f} met at the {p} again.",
                n=who.name,
                f=friend.name,
                p=s.place,
            )
        )
        parts += d.choice(PLOTS)(d, who, friend, s, c)
    return " ".join(parts), who, friend, s


def story(d):
    text, who, friend, s = tell(d)
    roll = d.random()
    if roll < 0.12:
        text = f"The {capital(s.thing)}\n\n{text}"
    elif roll < 0.24:
        text += f"\nThe story is about {who.name}, {friend.name} and the {s.place}."
    return text


def tangle(d):
    """Nested sentences on one topic, without a plot."""
    s = Scene(d)
    who = Person(d)
    c = Clauses(d, s, [who, Person(d, [who])])
    return " ".join(c.sentence(d.randint(2, 4)) for _ in range(d.randint(2, 5)))
