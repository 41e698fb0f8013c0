import type { Random } from "../support/random.js";
import { mutateBytes } from "./mutate-bytes.js";

const pieces: readonly string[] = [
  "{% for i in range(1000000000) %}x{% endfor %}",
  "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}x" +
    "{% endfor %}{% endfor %}{% endfor %}",
  "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
  `{% set s = 'aaaaaaaa' %}${"{% set s = s ~ s %}".repeat(40)}{{ s }}`,
  `{% set l = [1] %}${"{% set l = l + l %}".repeat(40)}{{ l }}`,
  `{% set l = [1] %}${"{% set l = [l, l] %}".repeat(40)}{{ l }}`,
  "{{ 'aaaa' | indent(1000000000, true) }}",
  "{{ 'a' | replace('', 'bbbbbbbb') }}",
  "{{ messages | tojson(indent=1000000) }}",
  "{{ raise_exception('no') }}",
  "{{ messages[99]['role'] }}",
  "{{ messages.constructor.constructor('return 1')() }}",
  "{{ __proto__ }}{{ constructor }}{{ self }}",
  "{{ '\\ud800' }}",
  "{{ 1 / 0 }}{{ -1 % 0 }}{{ 2 ** 99999 }}",
  "{{ strftime_now('%Y') }}",
  `{{ ${"(".repeat(5000)}1${")".repeat(5000)} }}`,
  `{% if ${"not ".repeat(5000)}x %}{% endif %}`,
  " ".repeat(50_000),
  "{% generation %}",
  "{#",
  "{%",
  "{{",
  "}}",
];

/** Makes a few changes to a chat template: inserts a piece between its tags, or changes bytes. */
export function mutateTemplate(bytes: Buffer, random: Random): Buffer {
  if (random.chance(0.5)) return mutateBytes(bytes, random);
  const parts = bytes.toString("latin1").split(/(?=\{[{%])/);
  parts.splice(random.below(parts.length + 1), random.below(2), random.pick(pieces));
  return Buffer.from(parts.join(""), "latin1");
}

/** Makes the same changes to the template inside tokenizer_config.json. */
export function mutateTemplateIn(config: Buffer, random: Random): Buffer {
  const json = JSON.parse(config.toString()) as { chat_template?: unknown };
  const template = Buffer.from(String(json.chat_template ?? ""), "latin1");
  json.chat_template = mutateTemplate(template, random).toString("latin1");
  return Buffer.from(JSON.stringify(json));
}
