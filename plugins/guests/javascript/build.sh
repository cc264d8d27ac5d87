#!/usr/bin/env bash
# Builds rule.js to rule.wasm with componentize-js, fetched from npm into target/guests. Needs Node 20 or later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
version=0.23.0
tools=$(realpath -m ../../../target/guests/javascript)
mkdir -p "$tools"
[[ -d $tools/node_modules ]] || npm install --silent --no-audit --no-fund --prefix "$tools" \
    "@bytecodealliance/componentize-js@$version"
cp build.mjs "$tools" # Node looks for packages beside the script
node "$tools/build.mjs" "$PWD/rule.js" "$(realpath ../../wit)" "$PWD/rule.wasm"
