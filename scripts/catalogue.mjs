// Makes assets/gemma-scope.json, the package's catalogue, from SAELens' table of releases:
//   node scripts/catalogue.mjs
// The table (tests/fixtures/catalogue/sae-lens.json.gz, SAELens 6.54.12's pretrained_saes.yaml as JSON)
// has a line for each coder; the catalogue has a list of L0s for each release, width and layer.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const table = JSON.parse(
  zlib.gunzipSync(readFileSync(join(root, "tests/fixtures/catalogue/sae-lens.json.gz"))),
);

// Corrections of the table; docs/loading.md lists them.
const models = { "gemma-scope-9b-it-res": "gemma-2-9b-it" };
/** Neuronpedia ids that name another layer, width or L0 than their coder. */
const wrongNeuronpedia = new Set([
  "gemma-scope-9b-pt-res layer_2/width_16k/average_l0_8",
  "gemma-scope-9b-pt-res layer_20/width_131k/average_l0_114",
]);

const first = /^(?:layer_(\d+)|embedding)\/width_(\w+)\/average_l0_(\d+)$/;
const second = /^(\w+)\/layer_(\d+)_width_(\w+?)_l0_(\w+)$/;

/** Width and size, layer, and L0 of a coder by its path; the L0 of a path is the folder's own. */
function locate({ path, l0 }) {
  const one = first.exec(path);
  if (one) return { set: one[2], layer: one[1] ?? "embedding", l0: Number(one[3]) };
  const [, folder, layer, width, size] = second.exec(path);
  return { set: `${width} ${size}`, layer, l0, folder };
}

function neuronpediaForm(id, { set, layer, l0 }) {
  const [width] = set.split(" ");
  return id
    .replace(`/${layer}-`, "/{layer}-")
    .replace(new RegExp(`-${width}(?=$|__)`), "-{width}")
    .replace(new RegExp(`__l0-${l0}$`), "__l0-{l0}");
}

function compact(release, { repo, model, saes }) {
  const sets = {};
  const forms = {};
  let folder;
  for (const coder of saes) {
    const at = locate(coder);
    folder = at.folder;
    sets[at.set] ??= {};
    sets[at.set][at.layer] ??= [];
    sets[at.set][at.layer].push(at.l0);
    if (coder.np === null || wrongNeuronpedia.has(`${release} ${coder.id}`)) continue;
    const form = neuronpediaForm(coder.np, at);
    forms[form] ??= [];
    forms[form].push(coder.id);
  }
  for (const layers of Object.values(sets)) {
    for (const list of Object.values(layers)) list.sort((a, b) => a - b);
  }
  const neuronpedia = Object.entries(forms).map(([form, ids]) => {
    return { form, ids: ids.length === saes.length ? "all" : ids.sort() };
  });
  const owned = (models[release] ?? model).replace(/^(?!google\/)/, "google/");
  return {
    repo,
    model: owned,
    ...(folder !== undefined && { folder, idsHaveFolder: saes[0].id.startsWith(`${folder}/`) }),
    ...(release.endsWith("-canonical") && { canonical: true }),
    sets,
    neuronpedia,
  };
}

const suiteOf = ({ conv }) => (conv === "gemma_3" ? 2 : 1);
const byName = (a, b) => a.localeCompare(b, "en", { numeric: true });
const releases = Object.entries(table)
  .sort(([a, one], [b, other]) => suiteOf(one) - suiteOf(other) || byName(a, b))
  .map(
    ([release, entry]) => `${JSON.stringify(release)}:${JSON.stringify(compact(release, entry))}`,
  );
const file = join(root, "assets/gemma-scope.json");
writeFileSync(`${file}.tmp`, `{\n${releases.join(",\n")}\n}\n`);
renameSync(`${file}.tmp`, file);
