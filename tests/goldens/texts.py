"""Sentences to train the fixture tokenizer, strings to test it, and Gemma's chat templates."""

from __future__ import annotations

import random
from collections.abc import Iterator


def sentences(count: int = 600) -> Iterator[str]:
    """A few hundred short sentences in six languages, with numbers, code, lists and blank lines."""
    rng = random.Random(1)
    people = "Anna Carlos Leo Musa Ben Mira Zoë François Jürgen Søren Иван 太郎".split()
    animals = "cat dog horse whale sparrow fox tortoise".split()
    places = "garden river harbour kitchen library mountain station sea".split()
    verbs = "walked ran looked talked listened returned".split()
    colours = "red green blue yellow black white silver".split()
    patterns = [
        lambda: f"{rng.choice(people)} {rng.choice(verbs)} to the {rng.choice(places)}.",
        lambda: (
            f"The {rng.choice(colours)} {rng.choice(animals)} {rng.choice(verbs)} "
            f"near the {rng.choice(places)}."
        ),
        lambda: (
            f"{rng.choice(people)} saw {rng.randint(2, 99)} {rng.choice(animals)}s "
            f"in the {rng.choice(places)}, "
            f"and they were not {rng.choice(colours)}!"
        ),
        lambda: f"Where is the {rng.choice(places)}? It is behind the {rng.choice(places)}.",
        lambda: (
            f"La {rng.choice(['casa', 'noche', 'mañana', 'calle'])} "
            f"está {rng.choice(['fría', 'lejos', 'cerca'])}."
        ),
        lambda: f"Où est {rng.choice(['la gare', 'le château', 'la forêt', 'l’hôtel'])} ?",
        lambda: (
            f"Der {rng.choice(['große', 'kleine', 'müde'])} "
            f"{rng.choice(['Hund', 'Vogel', 'Fuß'])} ist schön."
        ),
        lambda: f"Привет, {rng.choice(['мир', 'город', 'Иван'])}!",
        lambda: f"{rng.choice(['猫', '犬', '海'])}が好きです。",
        lambda: f"def {rng.choice(verbs)}(x):\n    return x + {rng.randint(0, 9)}",
        lambda: (
            f"# {rng.choice(places).title()}\n\n- {rng.choice(animals)}\n- {rng.choice(colours)}"
        ),
        lambda: f"{rng.randint(0, 99)} + {rng.randint(0, 99)} = {rng.randint(0, 198)}",
    ]
    for _ in range(count):
        yield rng.choice(patterns)()


CASES = [
    "",
    " ",
    "  ",
    "     ",
    "         ten spaces then",
    "a",
    "\n",
    "\n\n\n",
    "\n\n\n\n\n\n\n",
    " \n \n",
    "\t",
    "\ttabs\tbetween\t",
    "line one\nline two\n\nline four",
    "line one\r\nline two\r\n",
    "trailing space ",
    " leading space",
    "two  spaces, three   spaces, five     spaces",
    "The cat sat near the harbour.",
    "Anna walked to the library.",
    "the the the",
    "Hello, world!",
    "HELLO hello HeLLo",
    "antidisestablishmentarianism",
    "don't won't it's",
    "3.14159 and 1,000,000 and -42",
    "0123456789",
    "12 + 34 = 46",
    "x = [1, 2, 3]\nfor i in x:\n    print(i)\n",
    "def walked(x):\n    return x + 7",
    '{"key": "value", "n": null}',
    "<table><h1>Title</h1></table>",
    "<html>not a token</html>",
    "https://example.org/a?b=c&d=%20",
    "mañana está fría",
    "Où est la gare ?",
    "Der große Fuß ist schön.",
    "Привет, мир!",
    "猫が好きです。",
    "中文没有空格",
    "한국어 문장입니다",
    "العربية من اليمين",
    "עברית",
    "ไทยไม่มีช่องว่าง",
    "हिन्दी में",
    "🙂",
    "🙂🙂 two",
    "family 👨‍👩‍👧‍👦 and flag 🇫🇷 and tone 👍🏽",
    "e\u0301 \u00e9 combining",
    "ﬁne ﬂuff ½ ²",
    "\u200bzero\u200bwidth",
    "\ufeffbyte order mark",
    "null \u0000 byte",
    "bell \u0007 and delete \u007f",
    "non\u00a0breaking\u202fspaces\u3000wide",
    "▁literal▁underline▁▁",
    "<bos>",
    "<bos>Hello",
    "Hello<eos>",
    "<bos><bos>twice",
    "a<bos>b<pad>c<unk>d",
    "<start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n",
    " <start_of_turn> user ",
    "<start_of_turn",
    "<unused0><unused3><unused9>",
    "[@BOS@] <2mass> <mask>",
    "<0x41> is spelt out",
    "<0x0A>",
    "math ∑ ∫ √ ≤ ∞",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝕞𝕒𝕥𝕙",
    "mixed Привет cat 猫 🙂 42\n\n  end",
    "a" * 60,
    "The red fox ran to the sea. " * 8,
]

GEMMA2_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}"
    "{% endif %}{{ '<start_of_turn>' + role + '\n' "
    "+ message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)

GEMMA3_TEMPLATE = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '

' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
"""
