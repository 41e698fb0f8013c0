"""The other registers of the corpus, and the table of all; each function makes one document."""

from clauses import Clauses
from engine import Person, Scene, a, capital, ing, past, third
from knowledge import animal, arithmetic, biography, chat, fact, geography, kind, language, reason
from lexicon import *  # the word lists, all capitals
from stories import story, tangle


def recipe(d):
    dish = d.skew(DISHES)
    items = d.some(FOODS, d.randint(3, 5))
    lines = [f"Recipe: {dish}", "", "You need:"]
    lines += [f"- {d.randint(1, 9)} [cups of|spoons of|grams of] {i}" for i in items]
    steps = [f"[Mix|Stir|Wash|Cut|Heat] the {i}." for i in items]
    steps.append(f"[Cook|Bake] everything for {d.randint(1, 9)}0 minutes.")
    lines += ["", "Steps:"] + [f"{n}. {s}" for n, s in enumerate(steps, 1)]
    lines.append(f"Serve the {dish} [hot|warm|cold].")
    return d.fill("\n".join(lines))


def listing(d):
    roll = d.random()
    if roll < 0.35:
        items = d.some(d.choice([FRUIT, FOODS, GOODS]), d.randint(3, 6))
        head = d.fill("[Shopping list|To buy|Things we need|In the box]")
        return f"{head}:\n" + "\n".join(f"- {i}" for i in items) + f"\nTotal: {len(items)} things"
    if roll < 0.65:
        rows = [Person(d) for _ in range(d.randint(2, 5))]
        lines = ["| name | age | city |", "| --- | --- | --- |"]
        for p in rows:
            lines.append(
                f"| {p.name} | {d.randint(10, 99)} | {COUNTRIES[d.skew(list(COUNTRIES), 1.3)][0]} |"
            )
        return "\n".join(lines)
    if roll < 0.85:
        who = Person(d)
        hours = sorted(d.sample(range(7, 20), d.randint(3, 5)))
        lines = [f"Plan of {who.name} for {d.skew(DAYS)}"]
        for h in hours:
            lines.append(
                d.fill(
                    f"{h}:[0|3]0 "
                    + d.choice(
                        [
                            f"{d.skew(SPORTS)} with {d.skew(GIRLS + BOYS)}",
                            f"go to the {d.choice(Scene(d).places)}",
                            f"cook {d.skew(DISHES)}",
                            "[breakfast|lunch|dinner]",
                            f"call the {d.skew(list(JOBS))}",
                        ]
                    )
                )
            )
        return "\n".join(lines)
    s = Scene(d)
    return (
        f"Words about the {s.topic}: "
        + ", ".join(d.sample(s.things + s.people + s.places, 5))
        + "."
    )


def code(d):
    roll = d.random()
    x, y = d.sample("abcdknxyz", 2)
    n, m = d.randint(1, 9), d.randint(1, 9)
    name = d.choice(["count", "total", "value", "price", "score", "index", "size", "age"])
    noun = d.choice(["items", "names", "numbers", "users", "words", "points"])
    if roll < 0.3:
        op, word = d.choice([("+", "add"), ("-", "subtract"), ("*", "multiply"), ("/", "divide")])
        return d.choice(
            [
                f"def {word}({x}, {y}):\n    return {x} {op} {y}\n\nprint({word}({n}, {m}))",
                f"{name} = 0\nfor {x} in {noun}:\n    {name} += {x}\nprint({name})",
                f"def {name}_of({noun}):\n    {name} = {n}\n    for {x} in {noun}:\n"
                f"        if {x} > {m}:\n            {name} += 1\n    return {name}",
                f"class {capital(name)}:\n    def __init__(self, {x}):\n        self.{x} = {x}\n\n"
                f"    def {word}(self, {y}):\n        return self.{x} {op} {y}",
                f"try:\n    {name} = int({x})\nexcept ValueError:\n    {name} = {n}",
                f"while {x} < {n}0:\n    {x} = {x} {op} {m}\n    print({x})",
            ]
        )
    if roll < 0.55:
        return d.choice(
            [
                f"function {name}({x}) {{\n  return {x} + {n};\n}}\n\nconsole.log({name}({m}));",
                f"const {noun} = [{n}, {m}, {n + m}];\n"
                f"const {name} = {noun}.map(({x}) => {x} * {n});\nconsole.log({name});",
                f"let {name} = {n};\nif ({name} > {m}) {{\n  {name} = {m};\n}} else {{\n"
                f"  {name} += 1;\n}}",
                f"for (let {x} = 0; {x} < {noun}.length; {x}++) {{\n"
                f"  console.log({noun}[{x}]);\n}}",
                f"export async function load({x}) {{\n  const {name} = await fetch({x});\n"
                f"  return {name}.json();\n}}",
            ]
        )
    who = Person(d)
    city = COUNTRIES[d.skew(list(COUNTRIES), 1.3)][0]
    if roll < 0.75:
        return (
            f'{{"name": "{who.name}", "age": {d.randint(10, 99)}, "city": "{city}", '
            f'"likes": ["{d.skew(FRUIT)}", "{d.skew(SPORTS)}"], '
            f'"member": {d.choice(["true", "false"])}}}'
        )
    if roll < 0.9:
        return d.choice(
            [
                f"SELECT name, age FROM {noun} WHERE age > {n}0 ORDER BY name;",
                f"SELECT COUNT(*) FROM {noun} WHERE city = '{city}';",
                f"INSERT INTO {noun} (name, city) VALUES ('{who.name}', '{city}');",
                f"UPDATE {noun} SET {name} = {n} WHERE name = '{who.name}';",
            ]
        )
    s = Scene(d)
    return (
        f"<html>\n<body>\n<h1>The {s.topic}</h1>\n<p>{capital(tangle(d).split('.')[0])}.</p>\n"
        f"<ul>\n" + "\n".join(f"<li>{t}</li>" for t in s.things) + "\n</ul>\n</body>\n</html>"
    )


def letter(d):
    who = Person(d)
    friend = Person(d, [who])
    s = Scene(d)
    c = Clauses(d, s, [friend, Person(d, [who, friend])])
    city = COUNTRIES[d.skew(list(COUNTRIES), 1.3)][0]
    body = d.fill(
        "[I am writing to you from {city}.|How are you? I am in {city} now.|"
        "Thank you for your letter from {city}.] ",
        city=city,
    )
    body += f"Yesterday I went to the {s.place} and saw {c.thing()}. "
    body += " ".join(c.sentence(2) for _ in range(d.randint(1, 3)))
    body += d.fill(
        " I [hope|think|believe] that you will come to {city} in {m}.",
        city=city,
        m=d.skew(MONTHS, 1.2),
    )
    return d.fill(
        "Dear {f},\n{b}\n[Love|Best wishes|Yours|Kind regards],\n{w}",
        f=friend.name,
        b=body,
        w=who.name,
    )


def news(d):
    roll = d.random()
    if roll < 0.35:
        country = d.skew(list(COUNTRIES), 1.3)
        city = d.choice(COUNTRIES[country][:2])
        one, two = d.some(WEATHERS, 2)
        low = d.randint(1, 19)
        day = d.randrange(7)
        return (
            f"Weather in {city} on {DAYS[day]}: {one}, {low} degrees. "
            f"On {DAYS[(day + 1) % 7]} it will be {two} with {low + d.randint(1, 5)} degrees. "
            + (
                "Take an umbrella with you."
                if two in ("rainy", "stormy", "humid")
                else "Wear a warm coat."
                if two in ("cold", "snowy", "freezing")
                else f"A fine day for {d.skew(SPORTS)} in {city}."
            )
        )
    if roll < 0.65:
        home, guest = d.some(TEAMS, 2)
        sport = d.skew(SPORTS)
        x, y = d.sample(range(0, 7), 2)
        best = Person(d)
        won, lost = (home, guest) if x > y else (guest, home)
        return (
            f"{sport.capitalize()}: {home} {x}, {guest} {y}. The {won} beat the {lost} "
            f"{max(x, y)} to {min(x, y)} on {d.skew(DAYS)}. "
            f"{best.name} {d.skew(SURNAMES)}, who plays "
            f"for the {won}, scored {NUMBERS[max(x, y) - 1]} times. "
            f"The fans of the {lost} were {d.skew(SAD)}, but the fans of the {won} were "
            f"{d.skew(HAPPY)}."
        )
    s = Scene(d)
    who = Person(d)
    c = Clauses(d, s, [who])
    surname = d.skew(SURNAMES)
    city = COUNTRIES[d.skew(list(COUNTRIES), 1.3)][0]
    return (
        f"{city.upper()} - {capital(a(s.other))} from {city} has {past(d.skew(s.verbs), True)} "
        f"{c.thing()} near the {s.place}, the police said on {d.skew(DAYS)}. "
        f'"{capital(c.clause(1))}," said {who.name} {surname}, who was at the {s.place}. '
        f"{who.name} {surname} added that {c.clause(2)}. The mayor of {city} thanked the {s.other}."
    )


def was(noun):
    return "were" if noun.endswith("s") and not noun.endswith("ss") else "was"


def review(d):
    thing = d.skew(PRODUCTS)
    who = Person(d)
    stars = d.choice((1, 2, 4, 5))
    good = stars > 3
    mood = POSITIVE if good else NEGATIVE
    x, y = d.sample(ASPECTS[thing], 2)
    parts = [
        f"Review by {who.name}: {stars} stars",
        f"This {thing} was {d.skew(mood)}. The {x} {was(x)} {d.skew(mood)} and the {y} {was(y)} "
        f"{d.skew(mood)}.",
        d.fill(
            "[I bought it in {m}|My friend {n} gave it to me], and I was very {k}.",
            m=d.skew(MONTHS, 1.2),
            n=d.skew(GIRLS + BOYS),
            k=d.skew(HAPPY if good else SAD),
        ),
        f"Everybody who likes a {d.skew(mood)} {thing} should try it."
        if good
        else f"People who want a good {thing} should not come here.",
        f"I {'recommend' if good else 'do not recommend'} it.",
    ]
    return (
        parts[0]
        + "\n"
        + " ".join(p for i, p in enumerate(parts[1:]) if i in (0, 3) or d.chance(0.7))
    )


def poem(d):
    rows = d.sample(RHYMES, 2)
    colour, who = d.skew(COLOURS), Person(d)
    lines = []
    for x, y in rows:
        lines += [
            d.fill(
                "[I saw a|There was a|Look at the|Here comes the] {c} {x},", c=d.skew(COLOURS), x=x
            ),
            d.fill(
                "[It sat beside a|and next to it a|It dreamed about a|That was as big as a] {y}.",
                y=y,
            ),
        ]
    if d.chance(0.4):
        lines.append(f"And {who.name} sang of {colour} dreams.")
    return "\n".join(lines)


def sequence(d):
    roll = d.random()
    if roll < 0.3:
        start, step = d.randint(0, 30), d.randint(1, 5)
        return " ".join(str(start + step * i) for i in range(d.randint(6, 12)))
    if roll < 0.5:
        names = d.choice([DAYS, MONTHS, NUMBERS, ORDINALS])
        i = d.randrange(len(names) - 3)
        return ", ".join(names[i : i + d.randint(4, 8)])
    if roll < 0.6:
        i = d.randrange(18)
        return " ".join("abcdefghijklmnopqrstuvwxyz"[i : i + 8])
    items = d.sample(ABBREVIATED, d.randint(2, 4))
    return " ".join(items * d.randint(2, 5))


def script(d):
    """A scene of a play: two speakers alternate about one thing."""
    s = Scene(d)
    x = Person(d)
    y = Person(d, [x])
    c = Clauses(d, s, [x, y])
    verb = d.skew(s.verbs)
    lines = [
        f"{x.name}: Where is the {s.thing}?",
        f"{y.name}: It is at the {s.place}.",
        f"{x.name}: Who {past(verb)} it?",
        f"{y.name}: The {s.other} who works at the {s.place} {past(verb)} it.",
        f"{x.name}: {capital(c.clause(2))}.",
        f"{y.name}: I did not know that {c.clause(1)}.",
        f"{x.name}: Then let us go to the {s.place} and {verb} the {s.thing}.",
    ]
    return f"At the {s.place}\n\n" + "\n".join(lines[: d.randint(4, 7)])


def habits(d):
    """Present tense: a person's actions on each day, with reasons."""
    s = Scene(d)
    who = Person(d)
    i = d.randrange(7)
    out = []
    for k in range(d.randint(2, 4)):
        verb = d.skew(s.verbs)
        out.append(
            d.fill(
                "On {d} {n} {v} the {t}[, because it is {a}| with the {r}| at the {p}|].",
                d=DAYS[(i + k) % 7],
                n=who.name if k == 0 else who.he,
                v=third(verb),
                t=d.skew(s.things),
                a=d.skew(s.adjectives),
                r=d.choice(s.people),
                p=d.choice(s.places),
            )
        )
    verb = d.skew(s.verbs)
    out.append(
        d.fill(
            "{N} [enjoys|likes|hates] {g} the {t}, but {h} never [talks|thinks] about it.",
            N=who.name,
            g=ing(verb),
            t=s.thing,
            h=who.he,
        )
    )
    return " ".join(out)


# name -> (share, maker)
REGISTERS = {
    "story": (24, story),
    "nested": (6, tangle),
    "geography": (9, geography),
    "animals": (7, animal),
    "facts": (8, fact),
    "biography": (5, biography),
    "recipes": (3, recipe),
    "kinds": (5, kind),
    "lists": (6, listing),
    "code": (12, code),
    "arithmetic": (9, arithmetic),
    "chat": (9, chat),
    "letters": (4, letter),
    "news": (5, news),
    "reviews": (6, review),
    "languages": (7, language),
    "rhymes": (3, poem),
    "sequences": (3, sequence),
    "reasoning": (4, reason),
    "plays": (3, script),
    "habits": (3, habits),
}


def document(d):
    """(register, text) of one document."""
    names = list(REGISTERS)
    name = d.choices(names, [REGISTERS[n][0] for n in names])[0]
    return name, REGISTERS[name][1](d)
