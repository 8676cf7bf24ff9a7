#!/usr/bin/env bash
# Installs the coding agents of others that tests drive with a scripted model below `target/`, unless
# they are installed, and prints the path of their folder. Tests find it through
# `STEPWRIGHT_TEST_HARNESS`. The programs take about 1 GB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Each version of the list has a folder of its own, so that an old installation is never used.
hash="$(git hash-object scripts/harness/package-lock.json | cut -c1-12)"
home="$PWD/target/test-servers/harness-$hash"

if [ ! -e "$home/installed" ]; then
    echo "Installing coding agents below \`target/test-servers\`; this takes a minute." >&2
    rm -rf "$home"
    mkdir -p "$home"
    cp scripts/harness/package.json scripts/harness/package-lock.json "$home"
    # Not `npm ci`: it refuses a lock file that has the programs of one platform only.
    (cd "$home" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
    # Their packages put the program of this machine in its place by scripts of their own.
    (cd "$home/node_modules/@anthropic-ai/claude-code" && node install.cjs) >&2
    (cd "$home/node_modules/opencode-ai" && node postinstall.mjs) >&2
    touch "$home/installed"
fi
echo "$home"
