#!/usr/bin/env bash
# Installs a Python program below `target/`, with exactly the packages of its lock file, unless it is
# installed, and prints the path of its command. For tests with programs that are not ours.
#
#   scripts/locked-program.sh litellm     installs what `scripts/litellm.txt` lists
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name="${1:?usage: scripts/locked-program.sh NAME}"
lock="$PWD/scripts/$name.txt"
# Each version of the lock file has a folder of its own, so that an old installation is never used.
home="$PWD/target/test-servers/$name-$(git hash-object "$lock" | cut -c1-12)"

if [ ! -e "$home/installed" ]; then
    echo "Installing $name below \`target/test-servers\`; this takes a minute or two." >&2
    rm -rf "$home"
    python3 -m venv "$home" >&2
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --requirement "$lock" >&2
    touch "$home/installed"
fi
echo "$home/bin/$name"
