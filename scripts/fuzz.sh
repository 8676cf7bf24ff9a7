#!/usr/bin/env bash
# Runs each fuzz target for a while, starting from its corpus. An input fails if it panics, takes longer than 2 s or
# uses more than 300 MB. Failing inputs are saved in `fuzz/corpus/<target>/`, so that every later run tries them.
#
#   scripts/fuzz.sh              runs every target for 60 s
#   scripts/fuzz.sh 600 cel sse  runs these two for 600 s each
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds="${1:-60}"
[ $# -gt 0 ] && shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    listed="$(cargo fuzz list)"
    mapfile -t targets <<<"$listed"
fi
failed=()
for target in "${targets[@]}"; do
    echo "-- $target, $seconds s"
    seeds="fuzz/corpus/$target" found="target/fuzz/$target" broken="target/fuzz/broken-$target/"
    mkdir -p "$seeds" "$found" "$broken"
    # The code is safe Rust, so a sanitizer would find nothing and use more memory.
    if ! cargo fuzz run --sanitizer none --target-dir target/fuzz-build "$target" "$found" "$seeds" -- \
        -max_total_time="$seconds" -timeout=2 -rss_limit_mb=300 -max_len=65536 -artifact_prefix="$broken" \
        -print_final_stats=1 -verbosity=0; then
        failed+=("$target")
        find "$broken" -type f -exec cp -v {} "$seeds/" \;
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "error: failed: ${failed[*]}; the inputs are now in fuzz/corpus" >&2
    exit 1
fi
echo "${#targets[@]} targets, $seconds s each: no failure"
