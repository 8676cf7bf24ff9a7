#!/usr/bin/env bash
# Installs a Restate server below `target/test-servers`, unless it is installed, and runs the tests of
# the dispatcher and of the command on it. They start their own servers, and their own PostgreSQL.
#
#   scripts/test-restate.sh              runs the tests
#   scripts/test-restate.sh install      only installs the server, and prints its path
#   scripts/test-restate.sh FILTER…      runs the tests whose names contain a text
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The package of one platform alone: it has the server as one file, and needs no Node.
version=1.7.12
home="$PWD/target/test-servers/restate-$version"
server="$home/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server"

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "Skipped: this is no Linux on x86-64, for which the tests have a Restate server." >&2
    exit 0
fi
if [ ! -e "$home/installed" ]; then
    command -v npm >/dev/null || {
        echo "error: \`npm\` is missing; install packages such as \`nodejs\` and \`npm\`" >&2
        exit 1
    }
    echo "Installing a Restate server below \`target/test-servers\`; it has 220 MB." >&2
    rm -rf "$home"
    mkdir -p "$home"
    (cd "$home" && npm install --ignore-scripts --no-audit --no-fund --silent \
        "@restatedev/restate-server-linux-x64@$version") >&2
    touch "$home/installed"
fi
if [ "${1:-}" = install ]; then
    echo "$server"
    exit 0
fi

# A workspace of its own, which the build of everything else does not compile.
export STEPWRIGHT_TEST_RESTATE="$server" STEPWRIGHT_TEST_POSTGRES=required
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
cd crates/stepwright-restate
cargo fmt --check
features=lean-command
cargo clippy --locked --all-targets --features "$features" -- -D warnings
RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps --features "$features"
cargo test --locked --features "$features" -- "$@"
