#!/usr/bin/env bash
# Installs Agno's clients below `target/`, unless they are installed, and prints the path of their
# folder. Tests that drive `stepwright serve` with them find it through `STEPWRIGHT_TEST_AGNO`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Each version of the list has a folder of its own, so that an old installation is never used.
hash="$(git hash-object scripts/agno/clients.txt | cut -c1-12)"
home="$PWD/target/test-servers/agno-$hash"

if [ ! -e "$home/installed" ]; then
    echo "Installing Agno's clients below \`target/test-servers\`; this takes a minute." >&2
    rm -rf "$home"
    mkdir -p "$home"
    python3 -m venv "$home/python" >&2
    "$home/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: --requirement scripts/agno/clients.txt >&2
    touch "$home/installed"
fi
echo "$home"
