import type { Budget } from "./budget.js";
import { textOf } from "./print.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import type { Given, Value } from "./value.js";

/** Python's str.format with fields that are a number, a name or empty. */
export function braceFormat(text: string, { positional, named }: Given, budget: Budget): string {
  let next = 0;
  let kind: "automatic" | "manual" | undefined;
  const only = (one: "automatic" | "manual"): void => {
    if (kind !== undefined && kind !== one) throw new TemplateError("field numbering of two kinds");
    kind = one;
  };
  const result = text.replace(
    /\{\{|\}\}|\{([^{}]*)\}|[{}]/g,
    (whole, field: string | undefined) => {
      if (whole === "{{" || whole === "}}") return whole.charAt(0);
      if (field === undefined) throw new TemplateError("Single brace in format string");
      let value: Value | undefined;
      if (field === "" || /^\d+$/.test(field)) {
        only(field === "" ? "automatic" : "manual");
        value = positional[field === "" ? next++ : Number(field)];
      } else if (/^[A-Za-z_]\w*$/.test(field)) value = named.get(field);
      else throw new TemplateUnsupported(`{${field}} in str.format`);
      if (value === undefined) throw new TemplateError(`no value for {${field}}`);
      return textOf(value, budget);
    },
  );
  budget.text(result.length);
  return result;
}
