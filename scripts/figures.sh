#!/usr/bin/env bash
# Measures the command and writes the results into docs/benchmarks.md, between the markers, with the
# date and the machine. Makes a release build; `FIGURES_BUILD=clean` also measures a clean one.
# `FIGURES_BINARY=FILE` measures that binary, and prints without writing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BINARY_TARGET_MB=30
START_TARGET_MS=15
BUILD_TARGET_S=600
page=docs/benchmarks.md
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT

build_row() {
    local began ended
    if [ "${FIGURES_BUILD:-}" != clean ]; then return; fi
    began=$(date +%s)
    CARGO_TARGET_DIR="$place/target" cargo build --quiet --release -p stepwright-cli
    ended=$(date +%s)
    echo "| a clean release build | $((ended - began)) s | $BUILD_TARGET_S s | $(verdict $((ended - began)) $BUILD_TARGET_S) |"
}

# Compares the first number with the maximum in the second.
verdict() { awk -v is="$1" -v wanted="$2" 'BEGIN { print (is <= wanted) ? "met" : "**missed**" }'; }

# The median of 200 runs of a command, in microseconds.
median_us() {
    local began ended
    for _ in $(seq 200); do
        began=$(date +%s%N)
        "$@" >/dev/null
        ended=$(date +%s%N)
        echo $(((ended - began) / 1000))
    done | sort -n | sed -n 100p
}

binary="${FIGURES_BINARY:-}"
if [ -z "$binary" ]; then
    cargo build --quiet --release -p stepwright-cli
    binary="${CARGO_TARGET_DIR:-target}/release/stepwright"
fi
cp "$binary" "$place/stepwright"
strip "$place/stepwright"
megabytes=$(awk -v bytes="$(stat -c %s "$place/stepwright")" 'BEGIN { printf "%.1f", bytes / 1000000 }')

printf 'format: 1\nname: One\nsteps:\n  - {name: one, template: done}\n' >"$place/one.yaml"
echo 'fn main() {}' >"$place/empty.rs"
rustc -O -o "$place/empty" "$place/empty.rs"
whole=$(median_us "$place/stepwright" run "$place/one.yaml" hi)
empty=$(median_us "$place/empty")
milliseconds=$(awk -v us="$((whole - empty))" 'BEGIN { printf "%.1f", us / 1000 }')

cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
rust=$(rustc --version | cut -d ' ' -f 2)
{
    echo "Measured on $(LC_ALL=C date '+%-d %B %Y') on $(nproc) cores (${cpu:-unknown}), Linux $(uname -r | cut -d . -f 1-2), Rust $rust."
    echo
    echo '| What | Measured | Target | |'
    echo '|---|---|---|---|'
    echo "| the binary, stripped | $megabytes MB | $BINARY_TARGET_MB MB | $(verdict "$megabytes" $BINARY_TARGET_MB) |"
    echo "| \`stepwright run\` on a file of one step, above an empty program (200 runs of each, medians) | $milliseconds ms | $START_TARGET_MS ms | $(verdict "$milliseconds" $START_TARGET_MS) |"
    build_row
} >"$place/figures"

if [ -n "${FIGURES_BINARY:-}" ]; then
    cat "$place/figures"
    exit
fi
awk -v figures="$place/figures" '
    /^<!-- end of figures -->/ { skipping = 0 }
    !skipping { print }
    /^<!-- figures: the command -->/ { skipping = 1; while ((getline line < figures) > 0) print line }
' "$page" >"$place/page"
cp "$place/page" "$page"
echo "$page is written." >&2
