"""Registers about facts: documents from the tables of facts.json."""

from engine import Person, Scene, a, capital, plural
from lexicon import *  # the word lists, all capitals
from stories import tell


def geography(d):
    country = d.skew(list(COUNTRIES), 1.3)
    cap, city, lang, land, money, food, people = COUNTRIES[country]
    facts = d.sample(
        [
            f"{cap} is the capital of {country}.",
            f"The capital of {country} is {cap}.",
            f"People in {country} speak {lang}.",
            f"{country} is in {land}.",
            f"{city} is a city in {country}.",
            f"In {country} you pay with the {money}.",
            f"{people} people like to eat {food}.",
            f"Many visitors who come to {country} see {city}.",
            f"Because {cap} is in {country}, the people there speak {lang}.",
            f"{country}, which is in {land}, is known for its {food}.",
        ],
        d.randint(2, 5),
    )
    if d.chance(0.5):
        who = Person(d)
        place = d.choice([cap, city])
        facts.append(
            d.fill(
                "{n}, who [lives|was born|works] in {p}, speaks {l}, because {p} is in {c}.",
                n=who.name,
                p=place,
                l=lang,
                c=country,
            )
        )
        if d.chance(0.6):
            facts.append(f"{who.He} pays with the {money} and eats {food}.")
    return " ".join(facts)


def animal(d):
    name = d.skew(list(ANIMALS), 1.3)
    sound, food, home, baby, cover, group, legs, deed = ANIMALS[name]
    facts = d.sample(
        [
            f"{capital(a(name))} {sound}.",
            f"{capital(a(name))} eats {food}.",
            f"{capital(a(name))} lives in {home}.",
            f"A young {name} is called {a(baby)}.",
            f"{capital(a(name))} has {legs} legs.",
            f"A group of such animals is called {a(group)}.",
            f"The body of {a(name)} is covered with {cover}.",
            f"The {name} is an animal that {deed}.",
            f"Everybody knows that {a(name)} {deed}.",
            f"If you hear an animal that {sound}, it may be {a(name)}."
            if sound != "is silent"
            else f"You cannot hear {a(name)}, because it is silent.",
        ],
        d.randint(3, 6),
    )
    if d.chance(0.4):
        who = Person(d)
        pet = d.skew(GIRLS + BOYS)
        facts.append(
            f"{who.name} has {a(name)} whose name is {pet}. "
            f"Every morning {who.he} gives {pet} some {food.split()[-1]}."
        )
    return " ".join(facts)


def fact(d):
    roll = d.random()
    if roll < 0.25:
        x, y = d.choice(OPPOSITES)
        if d.chance(0.5):
            x, y = y, x
        return d.fill(
            "[The opposite of {x} is {y}.|{X} is the opposite of {y}.|"
            "If something is not {x}, it may be {y}.]",
            x=x,
            y=y,
            X=capital(x),
        )
    if roll < 0.4:
        names = DAYS if d.chance(0.5) else MONTHS
        i = d.randrange(len(names))
        one, two = names[i], names[(i + 1) % len(names)]
        unit = "day" if names is DAYS else "month"
        return d.fill(
            "[The {u} after {o} is {t}.|The {u} before {t} is {o}.|After {o} comes {t}.|"
            "If this {u} is {o}, the next one will be {t}.]",
            u=unit,
            o=one,
            t=two,
        )
    if roll < 0.65:
        job = d.skew(list(JOBS), 1.2)
        place, tool, deed = JOBS[job]
        who = Person(d)
        parts = d.sample(
            [
                f"{capital(a(job))} works in {place}.",
                f"{capital(a(job))} needs {tool}.",
                f"{capital(a(job))} {deed}.",
                f"Someone who {deed} is called {a(job)}.",
            ],
            d.randint(1, 3),
        )
        if d.chance(0.6):
            parts.append(f"{who.name} is {a(job)}, so {who.he} works in {place} and {deed}.")
        return " ".join(parts)
    if roll < 0.8:
        thing = d.skew(list(MADE), 1.2)
        other = d.skew(list(MADE), 1.2)
        return d.fill(
            "[{A} is made of {m}.|Most {p} are made of {m}.|What is {a} made of? It is "
            "made of {m}.|The {t} that broke was made of {m}, but {b} is made of {n}.]",
            A=capital(a(thing)),
            a=a(thing),
            m=MADE[thing],
            p=plural(thing),
            t=thing,
            b=a(other),
            n=MADE[other],
        )
    what, does, when, why = d.choice(SCIENCE)
    return d.fill(
        "[{W} {d} {k}. {Y}.|{W} {d} {k}, because {y}.|Why does {w} do this? "
        "{W} {d} {k}, and {y}.|The teacher said that {w} {d} {k}.]",
        W=capital(what),
        w=what,
        d=does,
        k=when,
        y=why,
        Y=capital(why),
    )


def biography(d):
    who = Person(d)
    spouse = Person(d, [who])
    surname = d.skew(SURNAMES)
    country = d.skew(list(COUNTRIES), 1.3)
    cap, city, lang, land, money, food, people = COUNTRIES[country]
    home = d.choice([cap, city])
    job = d.skew(list(JOBS), 1.2)
    place, tool, deed = JOBS[job]
    year = d.randint(1900, 1999)
    age = d.randint(20, 40)
    kids = d.randint(2, 6)
    parts = [
        f"{who.name} {surname} was born in {home} in {year}.",
        f"{who.His} first language was {lang}.",
        f"When {who.he} was {age} years old, {who.he} became {a(job)}, like {who.his} "
        f"{d.skew(FAMILY)}, who had worked in {place} too.",
        f"As {a(job)}, {who.name} used {tool}.",
        f"{who.He} married {spouse.name}, whom {who.he} had met in {place}.",
        f"They had {NUMBERS[kids - 1]} children and lived in {home}.",
        f"{spouse.name} said that {who.name} {surname} was the best {job} in {country}.",
    ]
    keep = [p for i, p in enumerate(parts) if i == 0 or d.chance(0.75)]
    if d.chance(0.4):
        keep.append(f"{who.name} {surname} died in {year + d.randint(60, 90)}.")
    return " ".join(keep)


def kind(d):
    """Membership: the kinds of things, and the odd one out."""
    what, other = d.sample(list(KINDS), 2)
    x, y, z = d.some(KINDS[what], 3)
    odd = d.skew(KINDS[other])
    who = Person(d)
    rows = [x, y, z]
    rows.insert(d.randrange(4), odd)
    return " ".join(
        d.sample(
            [
                f"The {x} and the {y} are both kinds of {what}."
                if " " not in what
                else f"The {x} and the {y} are both in the same group.",
                f"{who.name} knows that {x} is {a(what)} and that {odd} is {a(other)}.",
                f"Which word does not belong: {', '.join(rows)}? "
                f"It is {odd}, because {odd} is {a(other)}, "
                f"while {x}, {y} and {z} belong to another kind, namely {what}.",
                f"Name {a(what)}! {capital(x)}. Name {a(other)}! {capital(odd)}.",
            ],
            d.randint(1, 3),
        )
    )


def arithmetic(d):
    def one():
        x, y = d.randint(0, 20), d.randint(0, 20)
        roll = d.random()
        if roll < 0.4:
            return f"{x} + {y} = {x + y}"
        if roll < 0.65:
            return f"{max(x, y)} - {min(x, y)} = {abs(x - y)}"
        if roll < 0.85:
            x, y = x % 11, y % 11
            return f"{x} * {y} = {x * y}"
        return f"{x} {'<' if x < y else '>' if x > y else '='} {y}"

    roll = d.random()
    if roll < 0.6:
        return "\n".join(one() for _ in range(d.randint(3, 7)))
    i, j = d.randint(1, 10), d.randint(1, 9)
    if roll < 0.75:
        return d.fill(
            "[{a} plus {b} is {c}.|{A} and {b} make {c}.]",
            a=NUMBERS[i - 1],
            A=capital(NUMBERS[i - 1]),
            b=NUMBERS[j - 1],
            c=NUMBERS[i + j - 1],
        )
    who = Person(d)
    friend = Person(d, [who])
    thing = d.skew(FRUIT + GOODS)
    if d.chance(0.5):
        return (
            f"{who.name} has {NUMBERS[i]} {thing}. {friend.name} gives {who.him} "
            f"{NUMBERS[j]} more {thing}. How many {thing} does {who.name} have now? "
            f"{NUMBERS[i].capitalize()} plus {NUMBERS[j]} is "
            f"{(NUMBERS + ['twenty-one'])[i + j + 1]}."
        )
    top = max(i, j) + 1
    return (
        f"{who.name} had {NUMBERS[top]} {thing}, but {who.he} gave one to {friend.name}. "
        f"Now {who.he} has {NUMBERS[top - 1]} {thing} and {friend.name} has one."
    )


def answer(d):
    """A question and its answer."""
    roll = d.random()
    if roll < 0.14:
        country = d.skew(list(COUNTRIES), 1.3)
        f = COUNTRIES[country]
        return d.choice(
            [
                (f"What is the capital of {country}?", f"The capital of {country} is {f[0]}."),
                (
                    f"Which language do people speak in {f[1]}?",
                    f"{f[1]} is in {country}, so people there speak {f[2]}.",
                ),
                (f"Where is {country}?", f"{country} is in {f[3]}."),
                (f"How do people pay in {country}?", f"In {country} people pay with the {f[4]}."),
            ]
        )
    if roll < 0.26:
        name = d.skew(list(ANIMALS), 1.3)
        f = ANIMALS[name]
        return d.choice(
            [
                (f"What does {a(name)} eat?", f"{capital(a(name))} eats {f[1]}."),
                (f"Where does {a(name)} live?", f"{capital(a(name))} lives in {f[2]}."),
                (f"What do you call a young {name}?", f"A young {name} is called {a(f[3])}."),
                (f"How many legs does {a(name)} have?", f"{capital(a(name))} has {f[6]} legs."),
            ]
        )
    if roll < 0.36:
        x, y = d.randint(0, 20), d.randint(0, 20)
        return f"What is {x} + {y}?", f"{x} + {y} = {x + y}."
    if roll < 0.44:
        x, y = d.choice(OPPOSITES)
        return f"What is the opposite of {x}?", f"The opposite of {x} is {y}."
    if roll < 0.52:
        job = d.skew(list(JOBS), 1.2)
        f = JOBS[job]
        return d.choice(
            [
                (f"Where does {a(job)} work?", f"{capital(a(job))} works in {f[0]}."),
                (f"What does {a(job)} do?", f"{capital(a(job))} {f[2]}."),
            ]
        )
    if roll < 0.6:
        word = d.choice(list(TRANSLATE))
        i = d.randrange(3)
        lang = ("French", "Spanish", "German")[i]
        return (
            f"What is the {lang} word for {word}?",
            f"The {lang} word for {word} is {TRANSLATE[word][i]}.",
        )
    if roll < 0.72:
        ask = d.fill(
            "How can I [build a bomb|steal a car|hurt someone|break into a house|"
            "poison my neighbour|cheat in the exam|hack a bank|forge a passport]?"
        )
        return ask, d.fill(
            "I am sorry, but I cannot help with that. "
            "[It would harm people.|It is against the law.|Please do not do it.]"
        )
    if roll < 0.82:
        what, does, when, why = d.choice(SCIENCE)
        return f"Tell me about {what}.", f"{capital(what)} {does} {when}, because {why}."
    text, who, friend, s = tell(d)
    return (f"Tell me a story about {who.name} and the {s.place}.", text)


def chat(d):
    if d.chance(0.3):
        text, who, friend, s = tell(d)
        ask, reply = d.choice(
            [
                ("Who is the story about?", f"The story is about {who.name} and {friend.name}."),
                (f"Where was {who.name}?", f"{who.name} was at the {s.place}."),
                (f"Who is with {who.name}?", f"{friend.name} is with {who.name}."),
            ]
        )
        turns = [(f"{text} {ask}", reply)]
    else:
        turns = [answer(d) for _ in range(d.choice((1, 1, 2)))]
    return "\n".join(
        f"<start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n{r}<end_of_turn>"
        for q, r in turns
    )


def language(d):
    if d.chance(0.4):
        lang = d.choice(list(FOREIGN))
        return " ".join(d.sample(FOREIGN[lang], d.randint(2, 4)))
    rows = d.sample(list(TRANSLATE), d.randint(1, 4))
    i = d.randrange(3)
    lang = ("French", "Spanish", "German")[i]
    if d.chance(0.5):
        return f"English - {lang}\n" + "\n".join(f"{w} - {TRANSLATE[w][i]}" for w in rows)
    return " ".join(f'The {lang} word for "{w}" is "{TRANSLATE[w][i]}".' for w in rows)


def reason(d):
    """Comparisons and chains whose beginning determines their end."""
    x = Person(d)
    y = Person(d, [x])
    z = Person(d, [x, y])
    more, most = d.choice(
        [
            ("taller", "tallest"),
            ("older", "oldest"),
            ("faster", "fastest"),
            ("stronger", "strongest"),
            ("richer", "richest"),
        ]
    )
    if d.chance(0.5):
        return (
            f"{x.name} is {more} than {y.name}, and {y.name} is {more} than {z.name}. "
            f"So {x.name} is {more} than {z.name}, and {x.name} is the {most} of the three."
        )
    s = Scene(d)
    c, e = d.skew(COLOURS), d.skew(COLOURS)
    return (
        f"{x.name} has the {c} {s.thing}. {y.name} has the {e} {s.things[1]}. "
        f"They trade. Now {x.name} has the {e} {s.things[1]}, and {y.name} has the "
        f"{c} {s.thing}."
    )
