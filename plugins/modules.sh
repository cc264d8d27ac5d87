# What build.sh and check-drift.sh agree on: which modules there are, and what identifies a build.
# Sourced, from the repository's root. Needs bash and coreutils only.

shopt -s globstar nullglob
export LC_ALL=C # one order of paths on every machine

# Every WebAssembly module, as its folder below the repository's root.
list_modules() {
    local manifest
    for manifest in plugins/*/Cargo.toml rules/templates/*/Cargo.toml tests/modules/*/Cargo.toml; do
        [[ -f $manifest ]] && echo "${manifest%/Cargo.toml}"
    done
}

# The sha256 over all that goes into module $1's component: its files, the interface and the heap, if it has that,
# sorted, each as its hash and its path. Left out is what the build makes, and what only the host or a person reads.
source_hash() {
    local module=$1 file files=()
    if grep -q 'plugins/heap.rs\|"../../heap.rs"' "$module/src/lib.rs"; then files+=(plugins/heap.rs); fi
    for file in "$module"/** plugins/wit/*.wit; do
        [[ -f $file ]] || continue
        case ${file#"$module/"} in
            rule.wasm | rule.wasm.source | module.json | settings.schema.json | README.md) ;;
            tests/* | target/*) ;;
            *) files+=("$file") ;;
        esac
    done
    mapfile -t files < <(printf '%s\n' "${files[@]}" | sort)
    sha256sum -- "${files[@]}" | sha256 -
}

# The bare sha256 of file $1.
sha256() {
    local line
    line=$(sha256sum -- "$1")
    echo "${line%% *}"
}

# The value of `$2` in file $1, whose lines are `key value`.
recorded() {
    local key value
    while read -r key value; do
        [[ $key == "$2" ]] && echo "$value"
    done <"$1"
}
