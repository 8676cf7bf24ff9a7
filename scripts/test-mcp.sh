#!/usr/bin/env bash
# Installs the MCP programs of others that tests talk to below `target/`, unless they are installed,
# and prints the path of their folder. Tests find it through `STEPWRIGHT_TEST_MCP`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Each version of the lists has a folder of its own, so that an old installation is never used.
lists="$(cat scripts/mcp/requirements.txt scripts/mcp/package-lock.json)"
hash="$(git hash-object --stdin <<<"$lists" | cut -c1-12)"
home="$PWD/target/test-servers/mcp-$hash"

if [ ! -e "$home/installed" ]; then
    echo "Installing MCP servers below \`target/test-servers\`; this takes a minute." >&2
    rm -rf "$home"
    mkdir -p "$home"
    python3 -m venv "$home/python" >&2
    "$home/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: --requirement scripts/mcp/requirements.txt >&2
    cp scripts/mcp/package.json scripts/mcp/package-lock.json "$home"
    # The conformance kit needs a newer Node than many systems have, and the lists bring one.
    (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --silent) >&2
    touch "$home/installed"
fi
echo "$home"
