#!/usr/bin/env bash
# Installs a real embedding model below `target/`, unless it is installed, and prints the path of the
# Python that serves it. Tests find it through `STEPWRIGHT_TEST_EMBEDDINGS`.
set -euo pipefail
home="$(dirname "$("$(dirname "${BASH_SOURCE[0]}")/locked-program.sh" embeddings)")"
echo "$home/python"
