import { TemplateError } from "./template-error.js";
import { failUndefined, type Given, indexOf, isUndefined, typeName, type Value } from "./value.js";

/** Arguments of a call by their parameters' names; one that is not given is undefined. */
export type Bound = Readonly<Record<string, Value | undefined>>;

/**
 * Matches arguments with parameters: names in order, "/" behind those that have no name for the
 * caller, "?" at the end of the optional ones.
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

/** A str argument. */
export function textArgument(caller: string, value: Value | undefined): string {
  if (typeof value === "string") return value;
  if (isUndefined(value)) failUndefined(value);
  throw new TemplateError(`${caller}: expected str, got ${typeName(value ?? null)}`);
}

/** A str argument, or undefined for None. */
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
