// The few assertions that the cases need: each says what was run and what came out.
function tail(result) {
  return result.output.trim().split("\n").slice(-25).join("\n");
}

export function isTrue(condition, what) {
  if (!condition) throw new Error(what);
}

export function ended(result, status, what) {
  const got = result.signal ?? result.status;
  isTrue(got === status, `${what}: expected exit ${status}, got ${got}:\n${tail(result)}`);
}

export function said(result, text, what = "output") {
  const found = text instanceof RegExp ? text.test(result.output) : result.output.includes(text);
  isTrue(found, `${what}: expected ${text}, got:\n${tail(result)}`);
}
