// The assertions of the cases; each message has the command and its output.
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
