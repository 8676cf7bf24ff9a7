#!/usr/bin/env bash
# Builds the Python wheel `stepwright` into target/wheels (or $CARGO_TARGET_DIR/wheels).
#
#   scripts/wheel.sh              for this machine, as it is released
#   scripts/wheel.sh --dev        for tests: fast to build, slow to run
#   scripts/wheel.sh TARGET…      for these Rust targets, Linux ones linked by Zig for an old glibc or musl
#
# WHEELS=DIR puts it elsewhere.
#
# One wheel serves every Python from 3.10 by the stable ABI. Free-threaded Python cannot load it: its
# wheel is made with `--interpreter python3.14t` and without the feature `abi3-py310`.
#
# Released for: x86_64-unknown-linux-gnu, aarch64-unknown-linux-gnu (manylinux), x86_64-unknown-linux-musl,
# aarch64-unknown-linux-musl (musllinux), x86_64-apple-darwin, aarch64-apple-darwin, x86_64-pc-windows-msvc.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=(--release)
if [ "${1:-}" = --dev ]; then
    profile=(--profile dev)
    shift
fi

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
export CARGO_TARGET_DIR="$target"
tools="$target/python-tools"
if [ ! -x "$tools/bin/maturin" ]; then
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement scripts/release/tools.txt
fi
export PATH="$tools/bin:$PATH"
wheels="$(realpath -m "${WHEELS:-$target/wheels}")"
cd python

build() {
    maturin build "${profile[@]}" --locked --out "$wheels" "$@"
}

if [ $# -eq 0 ]; then
    build
else
    for triple in "$@"; do
        case "$triple" in
            *-linux-gnu) build --target "$triple" --zig --compatibility manylinux2014 ;; # glibc 2.17
            *-linux-musl) build --target "$triple" --zig --compatibility musllinux_1_2 ;;
            *) build --target "$triple" ;;
        esac
    done
fi
