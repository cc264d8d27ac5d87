# Finds, or fetches, a Rust compiler that builds for wasm32-unknown-unknown. Sourced by build.sh.
#
# Two ways, and both link with the rustup toolchain's own `wasm-component-ld`, which turns what it
# links into a component:
#
# 1. The rustup target: `rustup target add wasm32-unknown-unknown`, where that can be downloaded.
# 2. Debian's compiler for the web, with the standard library built from its source package. The
#    packages are unpacked into a cache below target/, so nothing is installed and nothing conflicts.
#    -Zbuild-std is an unstable flag; RUSTC_BOOTSTRAP=1 lets this pinned compiler take it.
#
# Sets RUSTC and `cargo_flags` (an array), and exports what cargo reads from the environment.

# The Debian packages, of one source and one version; bookworm's security archive has it.
debian_rust_version=1.96.0+dfsg1-1~deb12u2
debian_rust_packages=(rustc-web libstd-rust-web-1.96 libstd-rust-web-dev rust-web-src)
# Needed beside them, at whatever version the archive has.
debian_libraries=(libllvm22 libz3-4 libedit2)

wasm_target=wasm32-unknown-unknown

die() { echo "error: $*" >&2; exit 1; }

# Unpacks the Debian compiler below $1, once per pinned version.
fetch_debian_compiler() {
    local cache=$1 root=$1/root stamp
    stamp="$debian_rust_version ${debian_libraries[*]}"
    [[ -f $cache/stamp && $(<"$cache/stamp") == "$stamp" ]] && return
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        die "no $wasm_target target (rustup target add $wasm_target), and this is no Debian to fetch a compiler from"

    echo "fetching Debian's compiler for the web, $debian_rust_version" >&2
    rm -rf "$cache"
    mkdir -p "$cache/debs" "$root"
    (
        cd "$cache/debs"
        apt-get download -qq "${debian_rust_packages[@]/%/=$debian_rust_version}" "${debian_libraries[@]}"
    ) || die "could not download the packages; run 'apt-get update', and see debian_rust_version in plugins/toolchain.sh"
    local deb
    for deb in "$cache"/debs/*.deb; do dpkg -x "$deb" "$root"; done
    rm -rf "$cache/debs"
    echo "$stamp" >"$cache/stamp"
}

# Chooses the compiler. $1: the repository's root; $2: cargo's target folder for the modules.
# Call it after `cargo fetch`: the path remaps need the folder that the sources were unpacked to.
use_wasm_toolchain() {
    local repository=$1 target_dir=$2 host tools cache sources
    host=$(rustc -vV)
    host=${host#*host: }
    host=${host%%$'\n'*}
    tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
    [[ -x $tools/wasm-component-ld && -x $tools/gcc-ld/wasm-ld ]] ||
        die "the active Rust toolchain has no wasm-component-ld; rustup's has one"

    cargo_flags=(--locked --release --target "$wasm_target")
    if [[ -d $(rustc --print target-libdir --target "$wasm_target") ]]; then
        RUSTC=$(rustc --print sysroot)/bin/rustc
    else
        cache=$target_dir/debian-rust
        fetch_debian_compiler "$cache"
        RUSTC=$cache/root/usr/bin/rustc
        # Debian's name for the host: x86_64-linux-gnu, not x86_64-unknown-linux-gnu.
        export LD_LIBRARY_PATH=$cache/root/usr/lib/${host/-unknown-/-}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
        export RUSTC_BOOTSTRAP=1
        cargo_flags+=(-Zbuild-std=std,panic_abort)
    fi
    export RUSTC CARGO_TARGET_DIR=$target_dir
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$tools/wasm-component-ld

    # A fresh instance serves each file, so a small stack makes a small and quick one: 128 KiB
    # instead of 1 MiB. Panic messages carry source paths; the remaps keep this machine's out.
    local flags=(
        -C linker-flavor=wasm-ld
        -C link-arg=--wasm-ld-path="$tools/gcc-ld/wasm-ld"
        -C link-arg=-zstack-size=131072
        --remap-path-prefix="$repository=."
        --remap-path-prefix="$("$RUSTC" --print sysroot)/lib/rustlib/src/rust=rust"
    )
    for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
        flags+=(--remap-path-prefix="$sources=crates")
    done
    local IFS=$'\x1f' # cargo's separator: paths may hold spaces
    export CARGO_ENCODED_RUSTFLAGS="${flags[*]}"
}

# One line naming what builds, for rule.wasm.source.
describe_toolchain() {
    echo "$("$RUSTC" --version), $("$CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER" --version)"
}
