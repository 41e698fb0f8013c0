import { type Interpreter, inner, type Scope } from "./interpreter.js";
import type { MacroSyntax } from "./syntax.js";
import { TemplateError } from "./template-error.js";
import { dictOf, type Given, tuple, undefinedOf, type Value } from "./value.js";

/** Creates a macro, which sees the enclosing scope's variables at the time of a call. */
export function macroOf(interpreter: Interpreter, macro: MacroSyntax, scope: Scope): Value {
  const { name, signature, reads } = macro;
  const { names, defaults } = signature;
  const firstDefault = names.length - defaults.length;

  const call = ({ positional, named }: Given): Value => {
    const within = inner(scope);
    const rest = new Map(named);
    for (const [i, parameter] of names.entries()) {
      let value = positional[i];
      if (value === undefined) {
        value = rest.get(parameter);
        rest.delete(parameter);
      }
      const fallback = defaults[i - firstDefault];
      if (value === undefined && fallback !== undefined)
        value = interpreter.evaluate(fallback, within);
      if (value === undefined) value = undefinedOf(`parameter '${parameter}'`);
      within.variables.set(parameter, value);
    }
    if (reads.has("caller")) {
      const caller = rest.get("caller");
      within.variables.set("caller", caller === undefined ? undefinedOf("caller") : caller);
      rest.delete("caller");
    }
    if (reads.has("kwargs")) within.variables.set("kwargs", dictOf(rest));
    else if (rest.size > 0) {
      throw new TemplateError(`macro '${name}' takes no keyword argument '${[...rest.keys()][0]}'`);
    }
    const extra = positional.slice(names.length);
    if (reads.has("varargs")) within.variables.set("varargs", tuple(extra));
    else if (extra.length > 0) {
      throw new TemplateError(`macro '${name}' takes not more than ${names.length} argument(s)`);
    }
    return interpreter.runMacro(macro, within);
  };
  return { type: "callable", name, call };
}
