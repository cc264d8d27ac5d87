#!/usr/bin/env bash
# Builds rule.py to rule.wasm with componentize-py, fetched from PyPI into target/guests. Needs Python 3.10 or later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
version=0.25.1
tools=$(realpath -m ../../../target/guests/python)
[[ -x $tools/bin/componentize-py ]] || {
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet "componentize-py==$version"
}
# WASI's calls become traps: rules get nothing but the interface.
"$tools/bin/componentize-py" --wit-path ../../wit --world anonymize componentize --stub-wasi rule -o rule.wasm
