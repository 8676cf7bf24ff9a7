#!/usr/bin/env bash
# Tests the Python package from its wheel, in a fresh virtual environment.
#
#   scripts/test-python.sh             with a wheel that is fast to build
#   scripts/test-python.sh --release   with the wheel as it is released, and its checks
#
# `PYTEST=…` passes arguments on to pytest, and `TIMES=200` starts programs that end in difficult places
# so often (3 times without it). The packages of the tests come from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
if [ "${1:-}" = --release ]; then
    scripts/wheel.sh
else
    scripts/wheel.sh --dev
fi
wheel="$(ls -t "$target"/wheels/stepwright-*.whl | head -1)"

fresh="$(mktemp -d)"
trap 'rm -rf "$fresh"' EXIT
python3 -m venv "$fresh/venv"
"$fresh/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement scripts/release/python-tests.txt "$wheel"

if [ "${1:-}" = --release ]; then
    size="$(stat -c %s "$wheel")"
    echo "wheel: $size bytes"
    [ "$size" -le $((15 * 1024 * 1024)) ] || { echo "the wheel is larger than 15 MB" >&2; exit 1; }
    "$fresh/venv/bin/twine" check --strict "$wheel"
    "$fresh/venv/bin/check-wheel-contents" "$wheel"
    "$fresh/venv/bin/abi3audit" --strict "$wheel"
fi

# The tests are copied, so that they import the installed package and not the one beside them.
cp -r crates/stepwright-python/tests "$fresh/tests"
cd "$fresh/tests"
export PATH="$fresh/venv/bin:$PATH"
read -ra given <<<"${PYTEST:-}"
python -m pytest -q -p no:cacheprovider "${given[@]}"
