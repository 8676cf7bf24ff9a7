#!/usr/bin/env bash
# Runs a command several times on one core that another program keeps busy, so that a test that depends on timing fails.
#
#   scripts/busy.sh 3 cargo test --workspace --all-features
set -euo pipefail

times="${1:?usage: scripts/busy.sh TIMES COMMAND…}"
shift
pin=(taskset -c 0)
if ! command -v taskset >/dev/null; then
    echo "There is no \`taskset\`; all cores are used." >&2
    pin=()
fi
"${pin[@]}" bash -c 'while :; do :; done' &
busy=$!
trap 'kill "$busy" 2>/dev/null' EXIT
for ((round = 1; round <= times; round++)); do
    echo "-- round $round of $times"
    "${pin[@]}" "$@"
done
