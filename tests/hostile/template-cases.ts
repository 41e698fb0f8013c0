import { Tokenizer } from "../../lib/index.js";
import { both, type HostileCase, put } from "./case.js";
import { soundTokenizer } from "./sound-tokenizer.js";

const jinja = "chat_template.jinja";

function template(name: string, source: string): HostileCase {
  return {
    name: `${jinja}: ${name}`,
    write: both(soundTokenizer, put(jinja, source)),
    open: (folder) =>
      Tokenizer.fromFolder(folder).applyChatTemplate([{ role: "user", content: "hello" }]),
    code: "TOKENIZER",
    file: jinja,
    field: "chat_template",
  };
}

const loops = (depth: number): string =>
  `${"{% for i in range(1000) %}".repeat(depth)}x${"{% endfor %}".repeat(depth)}`;

export const templateCases: HostileCase[] = [
  template("a thousand million iterations", "{% for i in range(1000000000) %}x{% endfor %}"),
  template("three nested loops", loops(3)),
  template("a recursive macro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
  template(
    "a text doubled forty times",
    `{% set s = 'a' %}${"{% set s = s ~ s %}".repeat(40)}{{ s }}`,
  ),
  template(
    "a list doubled forty times",
    `{% set l = [1] %}${"{% set l = l + l %}".repeat(40)}{{ l }}`,
  ),
  template(
    "a list repeated into itself",
    `{% set l = [1] %}${"{% set l = [l, l] %}".repeat(40)}{{ l }}`,
  ),
  template("an indent of 1,000,000,000", "{{ 'a' | indent(1000000000, true) }}"),
  template(
    "letters replaced by 65,000",
    `{% set s = 'ab' %}${"{% set s = s ~ s %}".repeat(14)}{{ s | replace('a', s) }}`,
  ),
  template(
    "letters replaced by 65,000, with a method",
    `{% set s = 'ab' %}${"{% set s = s ~ s %}".repeat(14)}{{ s.replace('a', s) }}`,
  ),
  template("a megabyte", "x".repeat(1_000_000)),
  template("100,000 brackets", `{{ ${"(".repeat(30_000)}1${")".repeat(30_000)} }}`),
  template("a tag that never ends", "{% if"),
];
