"""Prints random chat templates with jinja2's results in transformers' environment, one JSON line each.

To run by hand: `pip install jinja2 transformers` (torch is not needed), then compare:

    python tests/fuzz/templates.py --count 200000 --seed 1 > cases.jsonl
    npx tsx tests/fuzz/templates.ts cases.jsonl
"""

import argparse
import json
import random
import sys
import warnings

from transformers.utils.chat_template_utils import _cached_compile_jinja_template as compile_template

warnings.filterwarnings("ignore")

TEXTS = [
    "", " ", "a", "user", "assistant", "Hello World", " a b  c ", "\ufeffHello", "\x85x\x1f", "\U0001f600ab", "x\U0001f600y\U0001f600",
    "ß", "Straße", "\u0130", "\u01c6x", "ΑΣ", "a-b c", "1", "-3", "1.5", " 12 ", "1_000", "0x10", "abc", "don't", 'say "hi"',
    "it's \"q\"", "\n line\n\n two", "ab\r\ncd\x0bef", "é", "\u200b", "x\u3000", "\xa0z\xa0", "back\\slash", "<b>&", "tab\there", "\x00\x7f",
    "\u2028", "aXbXc", "%s and %d", "{} {0}", "<think>x</think>y", "ünïcödé", "e\u0301", "Ⅷ", "٣", "a,b,,c", "..", "None",
]
NUMBERS = ["0", "1", "2", "3", "-1", "-2", "7", "10", "1.0", "0.5", "2.5", "-0.5", "1e3", "1e16", "1e-5", "3.14159", "100", "0.1", "1_000", "1234567.891", "0x1F"]
VARIABLES = ["messages", "tools", "s", "t", "n", "f", "b", "none_value", "items", "d", "nested", "missing", "words", "message", "x", "y", "ns", "mixed", "empty"]
FILTERS = [
    "abs", "capitalize", "center(7)", "count", "default('D')", "default('D', true)", "dictsort", "first", "float", "indent", "indent(2)",
    "indent(2, true)", "indent(width=3, blank=true)", "int", "int(5)", "items", "items|list", "join", "join(', ')", "join('-', 'role')", "last", "length", "list",
    "lower", "map('upper')", "map('upper')|list", "map(attribute='role')|list", "map(attribute='role', default='?')|list", "map('length')|list", "max", "min", "reject('none')|list",
    "rejectattr('role', 'equalto', 'user')|list", "replace('a', 'b')", "replace('', '-')", "replace('l', 'L', 1)", "reverse", "reverse|list", "round", "round(1)", "round(2, 'floor')",
    "round(method='ceil')", "select('string')|list", "select|list", "selectattr('role', 'equalto', 'user')|list", "selectattr('content')|list", "sort", "sort(reverse=true)", "sort(case_sensitive=true)",
    "sort(attribute='role')", "string", "sum", "title", "tojson", "tojson(indent=2)", "tojson(indent=4, sort_keys=true)", "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))",
    "trim", "trim('ab ')", "trim(' ')", "unique|list", "upper", "safe", "map('tojson')|join(' ')", "map('trim')|list", "e", "wordcount", "truncate(5)", "batch(2)|list", "format('x')", "format(1, 2)",
    "d('z')", "string|length", "list|length", "tojson|safe", "map('int')|sum", "groupby('role')|list", "attr('x')", "urlencode", "nosuch", "striptags", "pprint", "random|length", "map(attribute='content.0')|list",
    "map('default', 'q')|list", "dictsort(by='value')", "dictsort(reverse=true)", "min(attribute='role')", "first|upper", "last|tojson", "unique(attribute='role')|list",
]
METHODS = [
    "strip()", "strip('ab')", "strip(' \\n')", "lstrip()", "rstrip()", "rstrip('.')", "lstrip('x')", "upper()", "lower()", "title()", "capitalize()", "split()", "split(' ')", "split('a', 1)",
    "split(None, 1)", "rsplit('X', 1)", "rsplit(None, 1)", "rsplit()", "splitlines()", "splitlines(true)", "replace('a', 'bb')", "replace('l', '', 1)", "replace('', '.')", "startswith('a')", "startswith(('a', 'H'))", "endswith('c')",
    "find('b')", "rfind('X')", "index('a')", "count('a')", "count('')", "join(['x', 'y'])", "join(words)", "partition('X')", "rpartition(' ')", "removeprefix('a')", "removesuffix('c')", "ljust(5)", "rjust(6, '*')", "center(9)",
    "zfill(5)", "isdigit()", "isalpha()", "isalnum()", "isspace()", "isupper()", "islower()", "isnumeric()", "isdecimal()", "isascii()", "items()", "keys()", "values()", "get('role')", "get('zz')", "get('zz', 'dflt')", "get('a')",
    "items()|list", "keys()|list", "values()|list", "copy()", "append(1)", "pop()", "update({})", "index(1)", "count(1)", "format('A', 'B')", "format(1)", "casefold()", "swapcase()", "encode()", "split(sep=',')", "split('')",
    "strip(none)", "startswith('b', 1)", "find('b', 2)", "find('', 9)", "endswith('b', 0, 2)", "nosuch()", "nosuch", "role", "content", "a", "__class__", "upper", "items", "0", "content.strip()", "role.upper()", "real", "bit_length()",
]
TESTS = [
    "defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "true", "false", "callable", "even", "odd", "divisibleby 2", "divisibleby(3)",
    "eq 1", "equalto('user')", "ne 'a'", "in [1, 'a']", "in 'abc'", "lower", "upper", "lt 2", "ge 1", "sameas none", "filter", "escaped", "not defined", "not none", "not string", "nosuch", "gt 'a'", "not in words",
]
BINARY = ["+", "+", "-", "*", "/", "//", "%", "**", "~", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def one(self, *choices):
        return self.rng.choice(choices)

    def text(self):
        text = self.rng.choice(TEXTS)
        if self.rng.random() < 0.15:
            return self.one("'\\n'", "'\\t\\x41'", "'\\u00e9'", "\"\\\"\"", "'\\\\'", "'a\\'b'", "'\\q'", "'a' 'b'", "'\\101'", "'\\\n'", "'\\x4'", "'\\U0001f600'")
        quote = self.one("'", '"')
        return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote

    def atom(self):
        kind = self.rng.random()
        if kind < 0.4:
            return self.rng.choice(VARIABLES)
        if kind < 0.6:
            return self.text()
        if kind < 0.75:
            return self.rng.choice(NUMBERS)
        if kind < 0.82:
            return self.one("true", "false", "none", "True", "False", "None")
        return self.one("messages[0]", "messages[-1]", "messages[0].role", "messages[0]['content']", "loop.index", "loop.last", "loop", "range(3)", "range(1, 9, 3)|list", "ns.a", "dict(a=1)", "namespace(a=2).a", "nested.k", "d.a")

    # Operands have matching kinds (a text, a number, a list or a bool), so that most templates render.

    def str_(self, depth):
        rng = self.rng
        if depth <= 0:
            return self.one(self.text(), self.text(), "s", "t", "messages[0].role", "messages[-1]['role']", "words[0]", "words|last", "d.b")
        deeper = lambda: self.str_(depth - 1)
        return self.one(
            lambda: f"({deeper()}).{self.one(*[m for m in METHODS[:29] if 'split' not in m and 'with' not in m], 'join(words)', 'ljust(5)', 'rjust(6, chr)'.replace('chr', repr('*')), 'center(9)', 'zfill(5)', 'removeprefix(s)', 'strip(t)', 'replace(s, t)', 'rstrip(s)')}",
            lambda: f"{deeper()} | {self.one('trim', 'upper', 'lower', 'title', 'capitalize', 'indent', 'indent(3, true, true)', 'replace(s, t)', 'replace(t, s, 1)', 'string', 'trim(s)', 'tojson', 'center(12)', 'default(t)', 'reverse')}",
            lambda: f"({deeper()} + {deeper()})",
            lambda: f"({deeper()} ~ {self.any_(depth - 1)})",
            lambda: f"({self.any_(depth - 1)}) | tojson({self.one('', 'indent=2', 'ensure_ascii=true', 'indent=1, sort_keys=true', 'separators=(%s, %s)' % (repr(','), repr(':')))})",
            lambda: f"({self.any_(depth - 1)}) | string",
            lambda: f"({self.list_(depth - 1)}) | join({self.one('', repr(', '), 's')})",
            lambda: f"({deeper()})[{self.one(':', '1:', ':-1', '::-1', '-3:', ':2', '1:4:2', '::-2', 'n:')}]",
            lambda: f"({deeper()} if {self.bool_(depth - 1)} else {deeper()})",
            lambda: f"({deeper()} * {self.one('2', '0', '-1', 'true')})",
            lambda: f"'{self.one('%s|%s', '%r-%5s', '%-4s.%.2s', '%%%s%s')}' % ({deeper()}, {self.any_(depth - 1)})",
            lambda: f"'{self.one('%d', '%5d', '%05d', '%+d', '%.2f', '%f', '%i')}' % {self.num_(depth - 1)}",
            lambda: f"'{self.one('{}{}', '{1}{0}', '{{{}}}{}')}'.format({deeper()}, {self.any_(depth - 1)})",
            lambda: f"({deeper()} or {deeper()})",
        )()

    def num_(self, depth):
        if depth <= 0:
            return self.one(*NUMBERS, "n", "f", "n", "true", "items[0]")
        deeper = lambda: self.num_(depth - 1)
        return self.one(
            lambda: f"({deeper()} {self.one('+', '-', '*', '+', '-', '//', '%', '/')} {deeper()})",
            lambda: f"(-{deeper()})",
            lambda: f"({self.str_(depth - 1)}).{self.one('count(s)', 'find(t)', 'rfind(s)', 'find(s, 1)', 'count(t, 1, -1)')}",
            lambda: f"({self.one(self.str_, self.list_)(depth - 1)}) | length",
            lambda: f"({self.any_(depth - 1)}) | {self.one('int', 'float', 'int(-7)', 'float(0.25)')}",
            lambda: f"({deeper()}) | {self.one('abs', 'round', 'round(1)', 'round(2)', 'int', 'float', 'round(1, %s)' % repr('floor'), 'round(method=%s)' % repr('ceil')) }",
            lambda: f"({self.one('2', '-3', 'n', '10')} ** {self.one('0', '1', '3', '5')})",
        )()

    def list_(self, depth):
        if depth <= 0:
            return self.one("words", "items", "mixed", "messages", "nested.k", "d", "d.items()", "d.keys()", "range(4)", "[1, 'a', none]", "empty", "(1, s)", "tools or []", "s")
        deeper = lambda: self.list_(depth - 1)
        return self.one(
            lambda: f"[{', '.join(self.any_(depth - 1) for _ in range(self.rng.randrange(4)))}]",
            lambda: f"({self.str_(depth - 1)}).{self.one('split()', 'split(s or none)', 'rsplit(none, 1)', 'split(none, 1)', 'splitlines()', 'splitlines(true)', 'partition(s or t or %s)' % repr('q'), 'rpartition(%s)' % repr('a'), 'split(%s, 1)' % repr(' '), 'rsplit(%s, 2)' % repr('a'))}",
            lambda: f"({deeper()}) | {self.one('list', 'reverse | list', 'map(%s) | list' % repr('string'), 'select | list', 'unique | list', 'map(%s) | map(%s) | list' % (repr('string'), repr('upper')), 'reject(%s) | list' % repr('string'), 'select(%s) | list' % repr('number'), 'map(%s) | sort' % repr('string'), 'map(%s) | list' % repr('tojson'))}",
            lambda: f"(({deeper()}) | list)[{self.one('1:', ':-1', '::-1', ':2', '-2:', '::2')}]",
            lambda: f"words | {self.one('sort', 'sort(reverse=true)', 'sort(case_sensitive=true)', 'map(%s) | list' % repr('upper'), 'map(%s, %s, %s) | list' % (repr('replace'), repr('a'), repr('b')))}",
            lambda: f"messages | {self.one('map(attribute=%s) | list', 'sort(attribute=%s) | list', 'selectattr(%s) | list', 'map(attribute=%s) | unique | list', 'selectattr(%s, %s, s) | list', 'rejectattr(%s, %s, %s) | list').replace('%s', repr('role'), 1).replace('%s', repr(self.one('equalto', 'eq', '==', 'ne', 'in')), 1).replace('%s', repr('user'))}",
            lambda: f"d | {self.one('dictsort', 'items | list', 'list', 'dictsort(reverse=true)')}",
            lambda: f"({deeper()} | list + {deeper()} | list)",
        )()

    def bool_(self, depth):
        if depth <= 0:
            return self.one("b", "true", "false", "missing", "s", "n", "none_value", "tools", "loop is defined", "loop.first")
        deeper = lambda: self.bool_(depth - 1)
        return self.one(
            lambda: f"({self.any_(depth - 1)}) is {self.one(*TESTS[:16], 'not defined', 'not none', 'lower', 'upper', 'callable', 'escaped')}",
            lambda: f"{self.any_(depth - 1)} {self.one('==', '!=')} {self.any_(depth - 1)}",
            lambda: f"({self.str_(depth - 1)} {self.one('in', 'not in', '<', '>=', '==', '<=')} {self.str_(depth - 1)})",
            lambda: f"({self.num_(depth - 1)} {self.one('<', '>', '==', '<=', '>=', '!=')} {self.num_(depth - 1)})",
            lambda: f"{self.num_(0)} < {self.num_(0)} {self.one('<', '<=', '==')} {self.num_(0)}",
            lambda: f"({self.any_(0)} in ({self.list_(depth - 1)}))".replace("in (s)", "in words"),
            lambda: f"({self.str_(depth - 1)}).{self.one('startswith(s)', 'endswith(t)', 'isdigit()', 'isalpha()', 'isspace()', 'isupper()', 'islower()', 'isalnum()', 'startswith((s, t))', 'isascii()', 'isdecimal()')}",
            lambda: f"not {deeper()}",
            lambda: f"({deeper()} {self.one('and', 'or')} {deeper()})",
        )()

    def any_(self, depth):
        return self.one(self.str_, self.str_, self.num_, self.list_, self.bool_, lambda _: self.one("none", "d", "d.items", "missing", "tools", "message", "nested", "mixed", "message.content", "none_value").replace("d.items", "d['items']"))(depth)

    def expression(self, depth):
        rng = self.rng
        if rng.random() < 0.9:
            return self.any_(depth)
        if depth <= 0:
            return self.atom()
        deeper = lambda: self.expression(depth - 1 - int(rng.random() * 2))
        kind = rng.random()
        if kind < 0.14:
            return self.atom()
        if kind < 0.34:
            return f"{deeper()} | {rng.choice(FILTERS)}" if rng.random() < 0.5 else f"({deeper()})|{rng.choice(FILTERS)}"
        if kind < 0.54:
            base = deeper()
            return (base if rng.random() < 0.3 else f"({base})") + "." + rng.choice(METHODS)
        if kind < 0.7:
            return f"{deeper()} {rng.choice(BINARY)} {deeper()}"
        if kind < 0.75:
            return f"({deeper()} {rng.choice(BINARY)} {deeper()}) {rng.choice(BINARY)} {deeper()}"
        if kind < 0.8:
            return f"{deeper()} is {rng.choice(TESTS)}"
        if kind < 0.84:
            bounds = [self.one("", "", "0", "1", "-1", "2", "-2", "100", "n", "none") for _ in range(3)]
            return f"({deeper()})[{':'.join(bounds[: rng.choice([2, 3])])}]"
        if kind < 0.87:
            return f"({deeper()})[{self.one('0', '-1', '1', repr('role'), repr('a'), '5', 's', 'true', '1.0', repr('items'))}]"
        if kind < 0.9:
            return f"{deeper()} if {deeper()}" + (f" else {deeper()}" if rng.random() < 0.7 else "")
        if kind < 0.93:
            return f"[{', '.join(deeper() for _ in range(rng.randrange(4)))}]"
        if kind < 0.95:
            return "{" + ", ".join(f"{self.one(self.text(), '1', 'true', '1.0', 'none', 's')}: {deeper()}" for _ in range(rng.randrange(3))) + "}"
        if kind < 0.96:
            return f"({deeper()}, {deeper()})"
        return self.one("not ", "-", "+", "not not ") + deeper()

    def block(self, depth, count=None):
        return "".join(self.statement(depth) for _ in range(count or self.rng.randrange(1, 4)))

    def space(self):
        return self.one("", "", "", " ", "\n", "\n  ", "  \n", "\n\n", "text", " x ", "\t", "\r\n", "\x85", "{", "}", "#", "%")

    def tag(self, inside):
        return "{%" + self.one("", "", "", "-", "+") + " " + inside + " " + self.one("", "", "", "-", "+") + "%}"

    def statement(self, depth):
        rng = self.rng
        kind = rng.random()
        before, after = self.space(), self.space()
        if depth <= 0 or kind < 0.45:
            inside = self.expression(rng.randrange(4))
            body = "{{" + self.one("", "", "-", "+") + " " + inside + " " + self.one("", "", "-") + "}}"
        elif kind < 0.55:
            test = self.expression(2)
            body = self.tag(f"if {test}") + self.block(depth - 1)
            if rng.random() < 0.3:
                body += self.tag(f"elif {self.expression(1)}") + self.block(depth - 1, 1)
            if rng.random() < 0.5:
                body += self.tag("else") + self.block(depth - 1, 1)
            body += self.tag("endif")
        elif kind < 0.72:
            over = self.one("messages", "messages", "words", "s", "d.items()", "d", "items", "range(4)", "missing", "nested", "messages[1:]", self.expression(1))
            target = self.one("message", "message", "x", "x, y", "(x, y)")
            if "items()" in over:
                target = self.one("x, y", "x")
            test = f" if {self.expression(1)}" if rng.random() < 0.2 else ""
            inner = self.block(depth - 1)
            if rng.random() < 0.15:
                inner += self.tag(f"if {self.expression(1)}") + self.tag(self.one("break", "continue")) + self.tag("endif") + self.block(0, 1)
            if rng.random() < 0.3:
                inner += "{{ " + self.one("loop.index", "loop.index0", "loop.first", "loop.last", "loop.length", "loop.revindex", "loop.previtem", "loop.nextitem", "loop.cycle('a','b')", "loop.changed(x)", "loop.depth", "loop.nosuch") + " }}"
            body = self.tag(f"for {target} in {over}{test}") + inner
            if rng.random() < 0.15:
                body += self.tag("else") + self.block(0, 1)
            body += self.tag("endfor")
        elif kind < 0.84:
            if rng.random() < 0.75:
                target = self.one("x", "y", "s", "ns.a", "ns.b", "x, y")
                value = self.expression(2)
                if target == "x, y" and rng.random() < 0.8:
                    value = f"{self.atom()}, {self.atom()}"
                body = self.tag(f"set {target} = {value}")
            else:
                body = self.tag(self.one("set x", "set x | upper", "set y | trim")) + self.block(depth - 1, 1) + self.tag("endset")
        elif kind < 0.89:
            signature = self.one("", "a", "a, b=2", "a='x', b=none", "x")
            name = self.one("m", "k")
            inner = self.one("{{ a }}{{ b }}", "{{ caller() if caller else '' }}", "{{ kwargs }}", "{{ varargs }}", "") + self.block(depth - 1, 1)
            arguments = self.one("", "1", "s", "1, 2", "b=3", "s, b=n", "1, 2, 3", "zz=1")
            body = self.tag(f"macro {name}({signature})") + inner + self.tag("endmacro") + "{{ " + f"{name}({arguments})" + " }}"
        elif kind < 0.91:
            body = self.tag(f"with x = {self.expression(1)}, y = {self.atom()}") + self.block(depth - 1, 1) + self.tag("endwith")
        elif kind < 0.93:
            body = self.tag("filter " + self.one("upper", "trim", "indent(2)", "replace('a', 'b')")) + self.block(depth - 1, 1) + self.tag("endfilter")
        elif kind < 0.95:
            body = self.tag("generation") + self.block(depth - 1, 1) + self.tag("endgeneration")
        elif kind < 0.97:
            body = "{#" + self.one("", "-") + " note " + self.one("", "-", "+") + "#}"
        elif kind < 0.985:
            body = self.tag("raw") + self.space() + "{{ s }}" + self.space() + self.tag("endraw")
        elif kind < 0.99:
            body = self.tag(f"set ns = namespace(a={self.atom()}, b=1)")
        else:
            body = self.one("{% call k() %}c{% endcall %}", "{% print s, n %}", "{% include 'x' %}", "{% block q %}{% endblock %}", "{{ raise_exception('no') }}", "{% do 1 %}", "{% if %}", "{{ 1 + }}", "{{ strftime_now('%%') }}", "{% set loop = 1 %}")
        return before + body + after

    def message(self):
        text = self.rng.choice(TEXTS)
        content = text
        if self.rng.random() < 0.2:
            content = [{"type": "text", "text": text}, {"type": "image"}]
        message = {"role": self.one("user", "assistant", "system", "model"), "content": content}
        if self.rng.random() < 0.2:
            message["tool_calls"] = [{"function": {"name": "f", "arguments": {"a": 1, "é": [1.5, None, True]}}}]
        return message

    def variables(self):
        rng = self.rng
        return {
            "messages": [self.message() for _ in range(rng.randrange(1, 4))],
            "tools": self.one(None, [], [{"type": "function", "function": {"name": "weather", "parameters": {"b": 1, "a": [0.5, "ü\u2028"]}}}]),
            "message": self.message(), "s": rng.choice(TEXTS), "t": rng.choice(TEXTS), "n": self.one(0, 1, -3, 12), "f": self.one(0.5, -2.25, 1e20, 1e-7, 0.1),
            "b": self.one(True, False), "none_value": None, "items": [1, 2.5, "a"], "d": {"a": 1, "b": "x", "items": 3}, "nested": {"k": [1, [2, {"z": None}]]},
            "words": ["b", "A", "a", "\U0001f600", "\uffee"], "mixed": [True, None, "x", 1.5, [1], {"q": False}], "empty": [],
            "ns_value": 1,
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--templates", help="a JSON file of [template, variables] pairs instead of random ones")
    options = parser.parse_args()
    given = json.load(open(options.templates)) if options.templates else None
    environment = compile_template("").environment
    maker = Maker(random.Random(options.seed))
    for i in range(len(given) if given else options.count):
        if given:
            template, variables = given[i]
        else:
            start = "{% set ns = namespace(a=1) %}" if maker.rng.random() < 0.5 else ""
            template = start + maker.block(maker.rng.randrange(4))
            variables = maker.variables()
        try:
            case = {"expected": environment.from_string(template).render(**variables)}
        except RecursionError:
            continue
        except Exception as error:
            case = {"error": f"{type(error).__name__}: {error}"[:200]}
        sys.stdout.write(json.dumps({"template": template, "variables": variables, **case}) + "\n")


main()
