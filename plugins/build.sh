#!/usr/bin/env bash
# Builds every WebAssembly module to a component, `rule.wasm` beside its Cargo.toml, and notes in
# `rule.wasm.source` what it was built from. Both are committed: whoever builds Sluice needs no wasm
# compiler, and check-drift.sh tells when a component is not of its sources.
#
# Usage: plugins/build.sh [MODULE-FOLDER...]     (all of them by default; `make plugins` calls this)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source plugins/modules.sh
source plugins/toolchain.sh

# One target folder for all, so that the standard library and wit-bindgen are built once.
target_dir=$PWD/target/plugins

# Builds module $1.
build() {
    local module=$1 name core
    echo "building $module" >&2
    cargo build --manifest-path "$module/Cargo.toml" "${cargo_flags[@]}"

    name=$(package_name "$module/Cargo.toml")
    core=$target_dir/$wasm_target/release/${name//-/_}.wasm
    if grep -qF -e "$PWD" -e "$HOME" -- "$core"; then
        die "$core holds a path of this machine; see the path remaps in plugins/toolchain.sh"
    fi
    cp -- "$core" "$module/rule.wasm"
    chmod 644 "$module/rule.wasm"
    {
        echo "# Written by plugins/build.sh, read by plugins/check-drift.sh."
        echo "source $(source_hash "$module")"
        echo "component $(sha256 "$module/rule.wasm")"
        echo "toolchain $(describe_toolchain)"
    } >"$module/rule.wasm.source"
}

# The `name` of the package in manifest $1.
package_name() {
    local line
    while read -r line; do
        if [[ $line =~ ^name\ *=\ *\"([^\"]+)\" ]]; then
            echo "${BASH_REMATCH[1]}"
            return
        fi
    done <"$1"
    die "$1 names no package"
}

if (($#)); then modules=("${@%/}"); else mapfile -t modules < <(list_modules); fi
for module in "${modules[@]}"; do
    [[ -f $module/Cargo.toml ]] || die "$module is no module: it has no Cargo.toml"
    cargo fetch --quiet --locked --manifest-path "$module/Cargo.toml"
done
use_wasm_toolchain "$PWD" "$target_dir"
for module in "${modules[@]}"; do build "$module"; done
