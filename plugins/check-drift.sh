#!/usr/bin/env bash
# Fails when a committed component is not what its sources say: the sources changed since it was
# built, or the component was exchanged. Needs bash and coreutils only, and no compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source plugins/modules.sh

# Says what is wrong with module $1, or nothing.
complaint() {
    local module=$1 note=$1/rule.wasm.source
    if [[ ! -f $module/rule.wasm || ! -f $note ]]; then
        echo "is not built"
    elif [[ $(recorded "$note" source) != "$(source_hash "$module")" ]]; then
        echo "was built from other sources"
    elif [[ $(recorded "$note" component) != "$(sha256 "$module/rule.wasm")" ]]; then
        echo "has another rule.wasm than was built"
    fi
}

failed=0
mapfile -t modules < <(list_modules)
for module in "${modules[@]}"; do
    problem=$(complaint "$module")
    [[ -n $problem ]] || continue
    echo "$module $problem: run 'make plugins' and commit what it writes" >&2
    failed=1
done
((failed == 0)) && echo "${#modules[@]} components match their sources"
exit "$failed"
