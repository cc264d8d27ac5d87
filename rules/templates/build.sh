#!/usr/bin/env bash
# Builds rule.wasm, a WebAssembly component, from src/. Needs Rust by rustup, and once:
#   rustup target add wasm32-unknown-unknown
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
host=$(rustc -vV | sed -n 's/^host: //p')
tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
# This linker makes a component of what it links. No WASI: a rule gets what wit/ says and nothing else.
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$tools/wasm-component-ld
flags=(-C linker-flavor=wasm-ld -C "link-arg=--wasm-ld-path=$tools/gcc-ld/wasm-ld" -C link-arg=-zstack-size=131072)
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}") \
    cargo build --locked --release --target wasm32-unknown-unknown --target-dir target
cp target/wasm32-unknown-unknown/release/*.wasm rule.wasm
