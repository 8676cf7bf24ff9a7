#!/usr/bin/env bash
# Installs the LiteLLM of `litellm.txt` below `target/`, unless it is installed, and prints the path
# of its command. Tests find it through `STEPWRIGHT_TEST_LITELLM`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock="$PWD/scripts/litellm.txt"
# Each version of the lock file has a folder of its own, so that an old installation is never used.
home="$PWD/target/test-servers/litellm-$(git hash-object "$lock" | cut -c1-12)"
python="$home/bin/python"

if [ ! -e "$home/installed" ]; then
    echo "Installing LiteLLM below \`target/test-servers\`; this takes a minute." >&2
    rm -rf "$home"
    python3 -m venv "$home" >&2
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --requirement "$lock" >&2
    touch "$home/installed"
fi
echo "$home/bin/litellm"
