#!/usr/bin/env bash
# Installs Agno below `target/`, unless it is installed, and prints the path of its folder. Tests that
# compare teams with Agno's find it through `STEPWRIGHT_TEST_AGNO_DIFF`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Each version of the list has a folder of its own, so that an old installation is never used.
hash="$(git hash-object scripts/agno/requirements.txt | cut -c1-12)"
home="$PWD/target/test-servers/agno-diff-$hash"

if [ ! -e "$home/installed" ]; then
    echo "Installing Agno below \`target/test-servers\`; this takes a minute." >&2
    rm -rf "$home"
    mkdir -p "$home"
    python3 -m venv "$home/python" >&2
    "$home/python/bin/python" -m pip install --quiet --disable-pip-version-check \
        --only-binary :all: --requirement scripts/agno/requirements.txt >&2
    touch "$home/installed"
fi
echo "$home"
