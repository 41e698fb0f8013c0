import { TemplateError } from "./template-error.js";
import { failUndefined, type Given, indexOf, isUndefined, typeName, type Value } from "./value.js";

/** The arguments of a call by the names of parameters; an omitted one is undefined. */
export type Bound = Readonly<Record<string, Value | undefined>>;

/**
 * Matches arguments with parameters. `parameters` lists their names in order, with "/" after the
 * positional-only ones and "?" at the end of optional names.
 */
export function bind(caller: string, parameters: string, { positional, named }: Given): Bound {
  const [before = "", after] = parameters.includes("/") ? parameters.split("/") : ["", parameters];
  const unnamed = before.split(" ").filter(Boolean);
  const all = [...unnamed, ...(after ?? "").split(" ").filter(Boolean)];
  if (positional.length > all.length) throw new TemplateError(`${caller}: too many arguments`);
  const bound: Record<string, Value | undefined> = {};
  for (const [i, value] of positional.entries()) bound[nameOf(all[i] as string)] = value;
  for (const [name, value] of named) {
    const known = all.slice(unnamed.length).some((parameter) => nameOf(parameter) === name);
    if (!known) throw new TemplateError(`${caller}: unexpected keyword argument '${name}'`);
    if (bound[name] !== undefined) throw new TemplateError(`${caller}: two values for '${name}'`);
    bound[name] = value;
  }
  for (const parameter of all) {
    if (!parameter.endsWith("?") && bound[nameOf(parameter)] === undefined) {
      throw new TemplateError(`${caller}: missing argument '${nameOf(parameter)}'`);
    }
  }
  return bound;
}

const nameOf = (parameter: string): string => parameter.replace("?", "");

/** Checks a str argument. */
export function textArgument(caller: string, value: Value | undefined): string {
  if (typeof value === "string") return value;
  if (isUndefined(value)) failUndefined(value);
  throw new TemplateError(`${caller}: expected str, got ${typeName(value ?? null)}`);
}

/** Checks a str argument; undefined for None. */
export function optionalText(caller: string, value: Value | undefined): string | undefined {
  return value === undefined || value === null ? undefined : textArgument(caller, value);
}

export function integerArgument(
  caller: string,
  value: Value | undefined,
  otherwise: number,
): number {
  return value === undefined ? otherwise : indexOf(value, caller);
}
