/** The Python of environment "a" or "c" made by this script, if it is there and whole. */
export function environmentPython(name: "a" | "c"): Promise<string | undefined>;
