#!/usr/bin/env bash
# Installs the LiteLLM of `litellm.txt` below `target/`, unless it is there, and prints where its
# command is. Tests find it by `STEPWRIGHT_TEST_LITELLM`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock="$PWD/scripts/litellm.txt"
# Another lock is another folder, so an old one is never taken for it.
home="$PWD/target/test-servers/litellm-$(git hash-object "$lock" | cut -c1-12)"
python="$home/bin/python"

if [ ! -e "$home/installed" ]; then
    echo "Installing LiteLLM below \`target/test-servers\`: a minute." >&2
    rm -rf "$home"
    python3 -m venv "$home" >&2
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --requirement "$lock" >&2
    touch "$home/installed"
fi
echo "$home/bin/litellm"
