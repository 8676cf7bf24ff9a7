#!/usr/bin/env bash
# Compiles crates with none of their features, and with each one alone, so that no feature needs another
# by accident. A warning is an error. If `rustup` has the oldest Rust that the manifest promises, all of
# it is compiled with that one, too.
#
#   scripts/features.sh        the library, whose features turn on those of the others, and the lean command
#   scripts/features.sh all    every crate
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Each line: a crate and its features.
crates_with_features() {
    cargo metadata --no-deps --format-version 1 | python3 -c '
import json, sys
for package in sorted(json.load(sys.stdin)["packages"], key=lambda package: package["name"]):
    features = sorted(name for name in package["features"] if name != "default")
    if features:
        print(package["name"], *features)
'
}

crates_with_features | while read -r package features; do
    if [ "${1:-}" != all ]; then
        case $package in
        stepwright) ;;
        stepwright-cli) features="" ;;
        *) continue ;;
        esac
    fi
    for feature in "" $features; do
        # A store needs a database, and says so.
        if [ "$package" = stepwright-store ] && [ -z "$feature" ]; then continue; fi
        echo "$package: ${feature:-no features}"
        cargo clippy --quiet -p "$package" --no-default-features --features "$feature" -- -D warnings
    done
done

promised=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
used=$(rustc --version | cut -d ' ' -f 2)
case "$used" in
"$promised" | "$promised".*) echo "Rust $used is the oldest that is promised." ;;
*)
    if command -v rustup >/dev/null && rustup toolchain list | grep -q "^$promised"; then
        cargo "+$promised" check --quiet --workspace --all-features
        echo "Rust $promised compiles it."
    else
        echo "Skipped: Rust $promised, the oldest that is promised, is not installed; this is $used."
    fi
    ;;
esac
