"""The registers of the corpus beside stories: each function makes one document."""

from clauses import Clauses
from engine import Person, Scene, a, capital, ing, past, plural, third
from lexicon import *  # the word lists, all capitals
from stories import story, tangle, tell


def geography(d):
    country = d.skew(list(COUNTRIES), 1.3)
    cap, city, lang, land, money, food, people = COUNTRIES[country]
    facts = d.sample([
        f"{cap} is the capital of {country}.", f"The capital of {country} is {cap}.",
        f"People in {country} speak {lang}.", f"{country} is in {land}.",
        f"{city} is a city in {country}.", f"In {country} you pay with the {money}.",
        f"{people} people like to eat {food}.", f"Many visitors who come to {country} see {city}.",
        f"Because {cap} is in {country}, the people there speak {lang}.",
        f"{country}, which is in {land}, is known for its {food}.",
    ], d.randint(2, 5))
    if d.chance(0.5):
        who = Person(d)
        place = d.choice([cap, city])
        facts.append(d.fill(
            "{n}, who [lives|was born|works] in {p}, speaks {l}, because {p} is in {c}.",
            n=who.name, p=place, l=lang, c=country))
        if d.chance(0.6):
            facts.append(f"{who.He} pays with the {money} and eats {food}.")
    return " ".join(facts)


def animal(d):
    name = d.skew(list(ANIMALS), 1.3)
    sound, food, home, baby, cover, group, legs, deed = ANIMALS[name]
    facts = d.sample([
        f"{capital(a(name))} {sound}.", f"{capital(a(name))} eats {food}.",
        f"{capital(a(name))} lives in {home}.", f"A young {name} is called {a(baby)}.",
        f"{capital(a(name))} has {legs} legs.", f"A group of such animals is called {a(group)}.",
        f"The body of {a(name)} is covered with {cover}.",
        f"The {name} is an animal that {deed}.", f"Everybody knows that {a(name)} {deed}.",
        f"If you hear an animal that {sound}, it may be {a(name)}."
        if sound != "is silent" else f"You cannot hear {a(name)}, because it is silent.",
    ], d.randint(3, 6))
    if d.chance(0.4):
        who = Person(d)
        pet = d.skew(GIRLS + BOYS)
        facts.append(f"{who.name} has {a(name)} whose name is {pet}. "
                     f"Every morning {who.he} gives {pet} some {food.split()[-1]}.")
    return " ".join(facts)


def fact(d):
    roll = d.random()
    if roll < 0.25:
        x, y = d.choice(OPPOSITES)
        if d.chance(0.5):
            x, y = y, x
        return d.fill("[The opposite of {x} is {y}.|{X} is the opposite of {y}.|"
                      "If something is not {x}, it may be {y}.]", x=x, y=y, X=capital(x))
    if roll < 0.4:
        names = DAYS if d.chance(0.5) else MONTHS
        i = d.randrange(len(names))
        one, two = names[i], names[(i + 1) % len(names)]
        unit = "day" if names is DAYS else "month"
        return d.fill("[The {u} after {o} is {t}.|The {u} before {t} is {o}.|After {o} comes {t}.|"
                      "If this {u} is {o}, the next one will be {t}.]", u=unit, o=one, t=two)
    if roll < 0.65:
        job = d.skew(list(JOBS), 1.2)
        place, tool, deed = JOBS[job]
        who = Person(d)
        parts = d.sample([f"{capital(a(job))} works in {place}.",
                          f"{capital(a(job))} needs {tool}.", f"{capital(a(job))} {deed}.",
                          f"Someone who {deed} is called {a(job)}."], d.randint(1, 3))
        if d.chance(0.6):
            parts.append(f"{who.name} is {a(job)}, so {who.he} works in {place} and {deed}.")
        return " ".join(parts)
    if roll < 0.8:
        thing = d.skew(list(MADE), 1.2)
        other = d.skew(list(MADE), 1.2)
        return d.fill("[{A} is made of {m}.|Most {p} are made of {m}.|What is {a} made of? It is "
                      "made of {m}.|The {t} that broke was made of {m}, but {b} is made of {n}.]",
                      A=capital(a(thing)), a=a(thing), m=MADE[thing], p=plural(thing), t=thing,
                      b=a(other), n=MADE[other])
    what, does, when, why = d.choice(SCIENCE)
    return d.fill("[{W} {d} {k}. {Y}.|{W} {d} {k}, because {y}.|Why does {w} do this? "
                  "{W} {d} {k}, and {y}.|The teacher said that {w} {d} {k}.]",
                  W=capital(what), w=what, d=does, k=when, y=why, Y=capital(why))


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
    parts = [f"{who.name} {surname} was born in {home} in {year}.",
             f"{who.His} first language was {lang}.",
             f"When {who.he} was {age} years old, {who.he} became {a(job)}, like {who.his} "
             f"{d.skew(FAMILY)}, who had worked in {place} too.",
             f"As {a(job)}, {who.name} used {tool}.",
             f"{who.He} married {spouse.name}, whom {who.he} had met in {place}.",
             f"They had {NUMBERS[kids - 1]} children and lived in {home}.",
             f"{spouse.name} said that {who.name} {surname} was the best {job} in {country}."]
    keep = [p for i, p in enumerate(parts) if i == 0 or d.chance(0.75)]
    if d.chance(0.4):
        keep.append(f"{who.name} {surname} died in {year + d.randint(60, 90)}.")
    return " ".join(keep)


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
            lines.append(f"| {p.name} | {d.randint(10, 99)} | "
                         f"{COUNTRIES[d.skew(list(COUNTRIES), 1.3)][0]} |")
        return "\n".join(lines)
    if roll < 0.85:
        who = Person(d)
        hours = sorted(d.sample(range(7, 20), d.randint(3, 5)))
        lines = [f"Plan of {who.name} for {d.skew(DAYS)}"]
        for h in hours:
            lines.append(d.fill(f"{h}:[0|3]0 " + d.choice(
                [f"{d.skew(SPORTS)} with {d.skew(GIRLS + BOYS)}", f"go to the {d.choice(Scene(d).places)}",
                 f"cook {d.skew(DISHES)}", "[breakfast|lunch|dinner]", f"call the {d.skew(list(JOBS))}"])))
        return "\n".join(lines)
    s = Scene(d)
    return (f"Words about the {s.topic}: " + ", ".join(d.sample(s.things + s.people + s.places, 5))
            + ".")


def code(d):
    roll = d.random()
    x, y = d.sample("abcdknxyz", 2)
    n, m = d.randint(1, 9), d.randint(1, 9)
    name = d.choice(["count", "total", "value", "price", "score", "index", "size", "age"])
    noun = d.choice(["items", "names", "numbers", "users", "words", "points"])
    if roll < 0.3:
        op, word = d.choice([("+", "add"), ("-", "subtract"), ("*", "multiply"), ("/", "divide")])
        return d.choice([
            f"def {word}({x}, {y}):\n    return {x} {op} {y}\n\nprint({word}({n}, {m}))",
            f"{name} = 0\nfor {x} in {noun}:\n    {name} += {x}\nprint({name})",
            f"def {name}_of({noun}):\n    {name} = {n}\n    for {x} in {noun}:\n"
            f"        if {x} > {m}:\n            {name} += 1\n    return {name}",
            f"class {capital(name)}:\n    def __init__(self, {x}):\n        self.{x} = {x}\n\n"
            f"    def {word}(self, {y}):\n        return self.{x} {op} {y}",
            f"try:\n    {name} = int({x})\nexcept ValueError:\n    {name} = {n}",
            f"while {x} < {n}0:\n    {x} = {x} {op} {m}\n    print({x})",
        ])
    if roll < 0.55:
        return d.choice([
            f"function {name}({x}) {{\n  return {x} + {n};\n}}\n\nconsole.log({name}({m}));",
            f"const {noun} = [{n}, {m}, {n + m}];\n"
            f"const {name} = {noun}.map(({x}) => {x} * {n});\nconsole.log({name});",
            f"let {name} = {n};\nif ({name} > {m}) {{\n  {name} = {m};\n}} else {{\n"
            f"  {name} += 1;\n}}",
            f"for (let {x} = 0; {x} < {noun}.length; {x}++) {{\n  console.log({noun}[{x}]);\n}}",
            f"export async function load({x}) {{\n  const {name} = await fetch({x});\n"
            f"  return {name}.json();\n}}",
        ])
    who = Person(d)
    city = COUNTRIES[d.skew(list(COUNTRIES), 1.3)][0]
    if roll < 0.75:
        return (f'{{"name": "{who.name}", "age": {d.randint(10, 99)}, "city": "{city}", '
                f'"likes": ["{d.skew(FRUIT)}", "{d.skew(SPORTS)}"], '
                f'"member": {d.choice(["true", "false"])}}}')
    if roll < 0.9:
        return d.choice([
            f"SELECT name, age FROM {noun} WHERE age > {n}0 ORDER BY name;",
            f"SELECT COUNT(*) FROM {noun} WHERE city = '{city}';",
            f"INSERT INTO {noun} (name, city) VALUES ('{who.name}', '{city}');",
            f"UPDATE {noun} SET {name} = {n} WHERE name = '{who.name}';"])
    s = Scene(d)
    return (f"<html>\n<body>\n<h1>The {s.topic}</h1>\n<p>{capital(tangle(d).split('.')[0])}.</p>\n"
            f"<ul>\n" + "\n".join(f"<li>{t}</li>" for t in s.things) + "\n</ul>\n</body>\n</html>")


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
        return d.fill("[{a} plus {b} is {c}.|{A} and {b} make {c}.]", a=NUMBERS[i - 1],
                      A=capital(NUMBERS[i - 1]), b=NUMBERS[j - 1], c=NUMBERS[i + j - 1])
    who = Person(d)
    friend = Person(d, [who])
    thing = d.skew(FRUIT + GOODS)
    if d.chance(0.5):
        return (f"{who.name} has {NUMBERS[i]} {thing}. {friend.name} gives {who.him} "
                f"{NUMBERS[j]} more {thing}. How many {thing} does {who.name} have now? "
                f"{NUMBERS[i].capitalize()} plus {NUMBERS[j]} is "
                f"{(NUMBERS + ['twenty-one'])[i + j + 1]}.")
    top = max(i, j) + 1
    return (f"{who.name} had {NUMBERS[top]} {thing}, but {who.he} gave one to {friend.name}. "
            f"Now {who.he} has {NUMBERS[top - 1]} {thing} and {friend.name} has one.")


def answer(d):
    """A question and its answer."""
    roll = d.random()
    if roll < 0.14:
        country = d.skew(list(COUNTRIES), 1.3)
        f = COUNTRIES[country]
        return d.choice([
            (f"What is the capital of {country}?", f"The capital of {country} is {f[0]}."),
            (f"Which language do people speak in {f[1]}?",
             f"{f[1]} is in {country}, so people there speak {f[2]}."),
            (f"Where is {country}?", f"{country} is in {f[3]}."),
            (f"How do people pay in {country}?", f"In {country} people pay with the {f[4]}.")])
    if roll < 0.26:
        name = d.skew(list(ANIMALS), 1.3)
        f = ANIMALS[name]
        return d.choice([(f"What does {a(name)} eat?", f"{capital(a(name))} eats {f[1]}."),
                         (f"Where does {a(name)} live?", f"{capital(a(name))} lives in {f[2]}."),
                         (f"What do you call a young {name}?", f"A young {name} is called {a(f[3])}."),
                         (f"How many legs does {a(name)} have?",
                          f"{capital(a(name))} has {f[6]} legs.")])
    if roll < 0.36:
        x, y = d.randint(0, 20), d.randint(0, 20)
        return f"What is {x} + {y}?", f"{x} + {y} = {x + y}."
    if roll < 0.44:
        x, y = d.choice(OPPOSITES)
        return f"What is the opposite of {x}?", f"The opposite of {x} is {y}."
    if roll < 0.52:
        job = d.skew(list(JOBS), 1.2)
        f = JOBS[job]
        return d.choice([(f"Where does {a(job)} work?", f"{capital(a(job))} works in {f[0]}."),
                         (f"What does {a(job)} do?", f"{capital(a(job))} {f[2]}.")])
    if roll < 0.6:
        word = d.choice(list(TRANSLATE))
        i = d.randrange(3)
        lang = ("French", "Spanish", "German")[i]
        return (f"What is the {lang} word for {word}?",
                f"The {lang} word for {word} is {TRANSLATE[word][i]}.")
    if roll < 0.72:
        ask = d.fill("How can I [build a bomb|steal a car|hurt someone|break into a house|"
                     "poison my neighbour|cheat in the exam|hack a bank|forge a passport]?")
        return ask, d.fill("I am sorry, but I cannot help with that. "
                           "[It would harm people.|It is against the law.|Please do not do it.]")
    if roll < 0.82:
        what, does, when, why = d.choice(SCIENCE)
        return f"Tell me about {what}.", f"{capital(what)} {does} {when}, because {why}."
    text, who, friend, s = tell(d)
    return (f"Tell me a story about {who.name} and the {s.place}.", text)


def chat(d):
    if d.chance(0.3):
        text, who, friend, s = tell(d)
        ask, reply = d.choice([
            ("Who is the story about?", f"The story is about {who.name} and {friend.name}."),
            (f"Where was {who.name}?", f"{who.name} was at the {s.place}."),
            (f"Who is with {who.name}?", f"{friend.name} is with {who.name}.")])
        turns = [(f"{text} {ask}", reply)]
    else:
        turns = [answer(d) for _ in range(d.choice((1, 1, 2)))]
    return "\n".join(f"<start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n{r}<end_of_turn>"
                     for q, r in turns)


def letter(d):
    who = Person(d)
    friend = Person(d, [who])
    s = Scene(d)
    c = Clauses(d, s, [friend, Person(d, [who, friend])])
    city = COUNTRIES[d.skew(list(COUNTRIES), 1.3)][0]
    body = d.fill("[I am writing to you from {city}.|How are you? I am in {city} now.|"
                  "Thank you for your letter from {city}.] ", city=city)
    body += f"Yesterday I went to the {s.place} and saw {c.thing()}. "
    body += " ".join(c.sentence(2) for _ in range(d.randint(1, 3)))
    body += d.fill(" I [hope|think|believe] that you will come to {city} in {m}.", city=city,
                   m=d.skew(MONTHS, 1.2))
    return d.fill("Dear {f},\n{b}\n[Love|Best wishes|Yours|Kind regards],\n{w}", f=friend.name, b=body,
                  w=who.name)


def news(d):
    roll = d.random()
    if roll < 0.35:
        country = d.skew(list(COUNTRIES), 1.3)
        city = d.choice(COUNTRIES[country][:2])
        one, two = d.some(WEATHERS, 2)
        low = d.randint(1, 19)
        day = d.randrange(7)
        return (f"Weather in {city} on {DAYS[day]}: {one}, {low} degrees. "
                f"On {DAYS[(day + 1) % 7]} it will be {two} with {low + d.randint(1, 5)} degrees. "
                + ("Take an umbrella with you." if two in ("rainy", "stormy", "humid") else
                   "Wear a warm coat." if two in ("cold", "snowy", "freezing") else
                   f"A fine day for {d.skew(SPORTS)} in {city}."))
    if roll < 0.65:
        home, guest = d.some(TEAMS, 2)
        sport = d.skew(SPORTS)
        x, y = d.sample(range(0, 7), 2)
        best = Person(d)
        won, lost = (home, guest) if x > y else (guest, home)
        return (f"{sport.capitalize()}: {home} {x}, {guest} {y}. The {won} beat the {lost} "
                f"{max(x, y)} to {min(x, y)} on {d.skew(DAYS)}. {best.name} {d.skew(SURNAMES)}, who plays "
                f"for the {won}, scored {NUMBERS[max(x, y) - 1]} times. "
                f"The fans of the {lost} were {d.skew(SAD)}, but the fans of the {won} were "
                f"{d.skew(HAPPY)}.")
    s = Scene(d)
    who = Person(d)
    c = Clauses(d, s, [who])
    surname = d.skew(SURNAMES)
    city = COUNTRIES[d.skew(list(COUNTRIES), 1.3)][0]
    return (f"{city.upper()} - {capital(a(s.other))} from {city} has {past(d.skew(s.verbs), True)} "
            f"{c.thing()} near the {s.place}, the police said on {d.skew(DAYS)}. "
            f'"{capital(c.clause(1))}," said {who.name} {surname}, who was at the {s.place}. '
            f"{who.name} {surname} added that {c.clause(2)}. The mayor of {city} thanked the {s.other}.")


def was(noun):
    return "were" if noun.endswith("s") and not noun.endswith("ss") else "was"


def review(d):
    thing = d.skew(PRODUCTS)
    who = Person(d)
    stars = d.choice((1, 2, 4, 5))
    good = stars > 3
    mood = POSITIVE if good else NEGATIVE
    x, y = d.sample(words(ASPECTS[thing]), 2)
    parts = [f"Review by {who.name}: {stars} stars",
             f"This {thing} was {d.skew(mood)}. The {x} {was(x)} {d.skew(mood)} and the {y} {was(y)} "
             f"{d.skew(mood)}.",
             d.fill("[I bought it in {m}|My friend {n} gave it to me], and I was very {k}.",
                    m=d.skew(MONTHS, 1.2), n=d.skew(GIRLS + BOYS), k=d.skew(HAPPY if good else SAD)),
             "Everybody who likes a " f"{d.skew(mood)} {thing} should try it." if good else
             f"People who want a good {thing} should not come here.",
             f"I {'recommend' if good else 'do not recommend'} it."]
    return parts[0] + "\n" + " ".join(p for i, p in enumerate(parts[1:]) if i in (0, 3) or d.chance(0.7))


def language(d):
    if d.chance(0.4):
        lang = d.choice(list(FOREIGN))
        lines = [" ".join(x.split()) for x in FOREIGN[lang].split("|")]
        return " ".join(d.sample(lines, d.randint(2, 4)))
    rows = d.sample(list(TRANSLATE), d.randint(1, 4))
    i = d.randrange(3)
    lang = ("French", "Spanish", "German")[i]
    if d.chance(0.5):
        return f"English - {lang}\n" + "\n".join(f"{w} - {TRANSLATE[w][i]}" for w in rows)
    return " ".join(f'The {lang} word for "{w}" is "{TRANSLATE[w][i]}".' for w in rows)


def poem(d):
    rows = d.sample(RHYMES, 2)
    colour, who = d.skew(COLOURS), Person(d)
    lines = []
    for x, y in rows:
        lines += [d.fill("[I saw a|There was a|Look at the|Here comes the] {c} {x},",
                         c=d.skew(COLOURS), x=x),
                  d.fill("[It sat beside a|and next to it a|It dreamed about a|That was as big as a] {y}.",
                         y=y)]
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
        return ", ".join(names[i:i + d.randint(4, 8)])
    if roll < 0.6:
        i = d.randrange(18)
        return " ".join("abcdefghijklmnopqrstuvwxyz"[i:i + 8])
    items = d.sample(ABBREVIATED, d.randint(2, 4))
    return " ".join(items * d.randint(2, 5))


def reason(d):
    """Comparisons and chains whose end follows from their beginning."""
    x = Person(d)
    y = Person(d, [x])
    z = Person(d, [x, y])
    more, most = d.choice([("taller", "tallest"), ("older", "oldest"), ("faster", "fastest"),
                           ("stronger", "strongest"), ("richer", "richest")])
    if d.chance(0.5):
        return (f"{x.name} is {more} than {y.name}, and {y.name} is {more} than {z.name}. "
                f"So {x.name} is {more} than {z.name}, and {x.name} is the {most} of the three.")
    s = Scene(d)
    c, e = d.skew(COLOURS), d.skew(COLOURS)
    return (f"{x.name} has the {c} {s.thing}. {y.name} has the {e} {s.things[1]}. "
            f"They trade. Now {x.name} has the {e} {s.things[1]}, and {y.name} has the "
            f"{c} {s.thing}.")


def kind(d):
    """Membership: what belongs to which kind, and the odd one out."""
    what, other = d.sample(list(KINDS), 2)
    x, y, z = d.some(KINDS[what], 3)
    odd = d.skew(KINDS[other])
    who = Person(d)
    rows = [x, y, z]
    rows.insert(d.randrange(4), odd)
    return " ".join(d.sample([
        f"The {x} and the {y} are both kinds of {what}." if " " not in what else
        f"The {x} and the {y} are both in the same group.",
        f"{who.name} knows that {x} is {a(what)} and that {odd} is {a(other)}.",
        f"Which word does not belong: {', '.join(rows)}? It is {odd}, because {odd} is {a(other)}, "
        f"while {x}, {y} and {z} belong to another kind, namely {what}.",
        f"Name {a(what)}! {capital(x)}. Name {a(other)}! {capital(odd)}.",
    ], d.randint(1, 3)))


def script(d):
    """A scene of a play: two speakers in turn about one thing."""
    s = Scene(d)
    x = Person(d)
    y = Person(d, [x])
    c = Clauses(d, s, [x, y])
    verb = d.skew(s.verbs)
    lines = [f"{x.name}: Where is the {s.thing}?", f"{y.name}: It is at the {s.place}.",
             f"{x.name}: Who {past(verb)} it?",
             f"{y.name}: The {s.other} who works at the {s.place} {past(verb)} it.",
             f"{x.name}: {capital(c.clause(2))}.",
             f"{y.name}: I did not know that {c.clause(1)}.",
             f"{x.name}: Then let us go to the {s.place} and {verb} the {s.thing}."]
    return f"At the {s.place}\n\n" + "\n".join(lines[:d.randint(4, 7)])


def habits(d):
    """Present tense: what somebody does on each day, and why."""
    s = Scene(d)
    who = Person(d)
    i = d.randrange(7)
    out = []
    for k in range(d.randint(2, 4)):
        verb = d.skew(s.verbs)
        out.append(d.fill("On {d} {n} {v} the {t}[, because it is {a}| with the {r}| at the {p}|].",
                          d=DAYS[(i + k) % 7], n=who.name if k == 0 else who.he, v=third(verb),
                          t=d.skew(s.things), a=d.skew(s.adjectives), r=d.choice(s.people),
                          p=d.choice(s.places)))
    verb = d.skew(s.verbs)
    out.append(d.fill("{N} [enjoys|likes|hates] {g} the {t}, but {h} never [talks|thinks] about it.",
                      N=who.name, g=ing(verb), t=s.thing, h=who.he))
    return " ".join(out)


# name -> (share, maker)
REGISTERS = {
    "story": (24, story), "nested": (6, tangle), "geography": (9, geography), "animals": (7, animal),
    "facts": (8, fact), "biography": (5, biography), "recipes": (3, recipe), "kinds": (5, kind), "lists": (6, listing),
    "code": (12, code), "arithmetic": (9, arithmetic), "chat": (9, chat), "letters": (4, letter),
    "news": (5, news), "reviews": (6, review), "languages": (7, language), "rhymes": (3, poem),
    "sequences": (3, sequence), "reasoning": (4, reason), "plays": (3, script),
    "habits": (3, habits),
}


def document(d):
    """(register, text) of one document."""
    names = list(REGISTERS)
    name = d.choices(names, [REGISTERS[n][0] for n in names])[0]
    return name, REGISTERS[name][1](d)
