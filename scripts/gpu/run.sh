#!/bin/sh
# Unpacks .gpu/ (from scripts/gpu/pack.mjs) on a machine with a GPU and a Python that has torch, and
# runs a command with that Node and that core.
#
#     scripts/gpu/run.sh node scripts/test.mjs --gpu
#     scripts/gpu/run.sh npx tsx bench/main.ts --device cuda
set -eu
cd "$(dirname "$0")/../.."
here=$(pwd)

if [ ! -x "$here/.gpu/bin/node" ]; then
  mkdir -p "$here/.gpu/bin"
  xz -dc "$here/.gpu/node.xz" > "$here/.gpu/bin/node"
  chmod +x "$here/.gpu/bin/node"
  printf '#!/bin/sh\nname=$1; shift\nexec node "%s/node_modules/.bin/$name" "$@"\n' "$here" > "$here/.gpu/bin/npx"
  chmod +x "$here/.gpu/bin/npx"
  tar -xJf "$here/.gpu/packages.tar.xz"
  tar -xJf "$here/.gpu/dist.tar.xz"
fi
PATH="$here/.gpu/bin:$PATH"
GEMLENS_ADDON="$here/.gpu/core"
GEMLENS_BENCH_COMMIT=$(cat "$here/.gpu/commit")
export PATH GEMLENS_ADDON GEMLENS_BENCH_COMMIT
exec "$@"
