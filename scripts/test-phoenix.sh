#!/usr/bin/env bash
# Installs the Phoenix of `phoenix.txt` below `target/`, unless it is installed, and prints the path
# of its command. Tests find it through `STEPWRIGHT_TEST_PHOENIX`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock="$PWD/scripts/phoenix.txt"
# Each version of the lock file has a folder of its own, so that an old installation is never used.
home="$PWD/target/test-servers/phoenix-$(git hash-object "$lock" | cut -c1-12)"
python="$home/bin/python"

if [ ! -e "$home/installed" ]; then
    echo "Installing Phoenix below \`target/test-servers\`; this takes two minutes." >&2
    rm -rf "$home"
    python3 -m venv "$home" >&2
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --requirement "$lock" >&2
    touch "$home/installed"
fi
echo "$home/bin/phoenix"
