#!/usr/bin/env bash
# Runs each fuzz target for a while, from its corpus: no panic, no input that takes longer than 2 s, no more than
# 300 MB. An input that breaks one is kept in `fuzz/corpus/<target>/`, so that it is tried again from then on.
#
#   scripts/fuzz.sh              every target for 60 s
#   scripts/fuzz.sh 600 cel sse  these, for 600 s each
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds="${1:-60}"
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
failed=()
for target in "${targets[@]}"; do
    echo "-- $target, $seconds s"
    seeds="fuzz/corpus/$target" found="target/fuzz/$target" broken="target/fuzz/broken-$target/"
    mkdir -p "$seeds" "$found" "$broken"
    # The code is safe Rust: coverage is what finds faults here, and a sanitizer would only need more memory.
    if ! cargo fuzz run --sanitizer none --target-dir target/fuzz-build "$target" "$found" "$seeds" -- \
        -max_total_time="$seconds" -timeout=2 -rss_limit_mb=300 -max_len=65536 -artifact_prefix="$broken" \
        -print_final_stats=1 -verbosity=0; then
        failed+=("$target")
        find "$broken" -type f -exec cp -v {} "$seeds/" \;
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "error: broken: ${failed[*]}; the inputs are in fuzz/corpus now" >&2
    exit 1
fi
echo "${#targets[@]} targets, $seconds s each: none broke"
