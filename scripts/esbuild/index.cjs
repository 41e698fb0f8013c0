// esbuild for this project's tsx (devDependencies). esbuild lowers `using` to a `var _hasError`
// that a loop never resets: after one iteration has failed, every later one throws its error again.
// This wrapper resets the variable where it is read, once an iteration. Delete this folder when
// esbuild lowers it right: tests/docs/using.test.ts then fails.
const { decode, encode } = require("@jridgewell/sourcemap-codec");
const esbuild = require("esbuild-upstream");

const read = /__callDispose\d*\(\w+, ?\w+, ?(\w+)\)/g;

/**
 * The same code with the variable reset at each read, and its map with the later columns shifted.
 */
function corrected(result) {
  const inserted = [];
  const code = result.code.replace(read, (call, flag, at) => {
    const before = call.slice(0, -flag.length - 1);
    const after = `[${flag}, ${flag} = false][0])`;
    inserted.push({ at: at + call.length, by: before.length + after.length - call.length });
    return before + after;
  });
  if (inserted.length === 0) return result;
  return { ...result, code, map: result.map && shifted(result.map, result.code, inserted) };
}

function shifted(json, code, inserted) {
  const map = JSON.parse(json);
  let start = 0;
  const mappings = decode(map.mappings).map((segments, line) => {
    if (line > 0) start = code.indexOf("\n", start) + 1;
    const end = code.indexOf("\n", start);
    const here = inserted.filter(({ at }) => at >= start && (end === -1 || at <= end));
    return segments.map(([column, ...rest]) => {
      const by = here.reduce((sum, one) => (one.at - start <= column ? sum + one.by : sum), 0);
      return [column + by, ...rest];
    });
  });
  return JSON.stringify({ ...map, mappings: encode(mappings) });
}

// tsx caches compiled files by the compiler's version.
exports.version = `${esbuild.version}+using`;
exports.transform = async (...args) => corrected(await esbuild.transform(...args));
exports.transformSync = (...args) => corrected(esbuild.transformSync(...args));
