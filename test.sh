#!/usr/bin/env bash
# Runs the tests. A machine with Rust and git is enough: the script installs everything else that it
# needs, or names what it cannot install.
#
#   ./test.sh             form, lints, documentation, all tests: what the build server runs
#   ./test.sh all         the same, then every longer test: hours
#   ./test.sh NAME…       only these longer tests:
#
#     features     compiles every crate with each of its features alone
#     install      builds the binary of a release, and installs it in systems without Rust
#     traces       sends traces to a receiver that is not ours (Phoenix)
#     workers      five hundred runs on workers that are killed and frozen
#     restate      the dispatcher on Restate, whose workers are killed
#     page         the page in a browser (Chromium)
#     python       the Python package, installed from its wheel
#     teams        teams beside Agno's, with the same model
#     clients      the server with the clients of Agno, OpenAI, AG-UI and A2A
#     openapi      requests made of the OpenAPI document (Schemathesis)
#     embeddings   a search with the embeddings of a real model
#     sandbox      sandboxes in real containers, by podman and docker
#     busy         all tests, three times on one busy core
#     fuzzing      the readers of untrusted bytes, a minute each
#     mutants      breaks each promise, and checks that its test fails
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

longer=(features install traces workers restate page python teams clients openapi embeddings sandbox busy fuzzing mutants)
chosen=()
ordinary=yes
case "${1:-}" in
"") ;;
all) chosen=("${longer[@]}") ;;
-h | --help)
    sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed -e '/^set/d' -e 's/^# \{0,1\}//'
    exit 0
    ;;
*)
    ordinary=
    for name in "$@"; do
        if [[ " ${longer[*]} " != *" $name "* ]]; then
            echo "error: there is no test called \`$name\`; \`./test.sh --help\` lists them" >&2
            exit 2
        fi
        chosen+=("$name")
    done
    ;;
esac

# Everything is built once here, so what would speed up the next build only fills the disk.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0

# The time is that since the start, in minutes and seconds.
stage() { printf '\n==> %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }
give_up() {
    printf '\nerror: %s\n' "$1" >&2
    exit 1
}

# The bundled SQLite is written in C.
need_c_compiler() {
    if command -v cc >/dev/null; then return; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        give_up "a C compiler is missing; install one, such as the package \`build-essential\`"
    fi
    echo "No C compiler found; installing the package \`build-essential\`."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq build-essential
}

# Tests start their own PostgreSQL servers, and remove them, however the tests end.
need_postgres() {
    local programs=(/usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb)
    programs+=(/opt/homebrew/opt/postgresql@*/bin/initdb)
    if command -v initdb >/dev/null || ls "${programs[@]}" 2>/dev/null | grep -q .; then return; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        give_up "PostgreSQL is missing; install its server, such as the package \`postgresql\`"
    fi
    echo "No PostgreSQL found; installing the package \`postgresql\`."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql
}

# Gives programs a wrong clock. If it cannot be installed, the tests that need it are skipped.
need_faketime() {
    if command -v faketime >/dev/null; then return; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "No \`faketime\` found; the tests with wrong clocks are skipped."
        return
    fi
    echo "No \`faketime\` found; installing the package \`faketime\`."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq faketime
}

# Runs commands apart from the machine. If it cannot be installed, the tests of sandboxes are skipped.
need_bubblewrap() {
    if command -v bwrap >/dev/null; then return; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "No \`bwrap\` found; the tests of sandboxes are skipped."
        return
    fi
    echo "No \`bwrap\` found; installing the package \`bubblewrap\`."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq bubblewrap
}

# A cargo command that is part of Rust, but not of its minimal profile.
need_component() {
    if cargo "$1" --version >/dev/null 2>&1; then return; fi
    if ! command -v rustup >/dev/null; then
        give_up "\`cargo $1\` is missing; install the Rust component \`$2\`"
    fi
    echo "No \`cargo $1\` found; installing the Rust component \`$2\`."
    rustup component add "$2"
}

# A third-party gateway to language models, for the tests of models. Python installs it.
need_litellm() {
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            give_up "Python with \`venv\` is missing; install packages such as \`python3-venv\`"
        fi
        echo "No Python with \`venv\` found; installing the package \`python3-venv\`."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv
    fi
    STEPWRIGHT_TEST_LITELLM="$(scripts/test-litellm.sh)"
    export STEPWRIGHT_TEST_LITELLM
}

# MCP programs that are not ours, for the tests of MCP: npm and Python install them.
need_mcp() {
    if ! command -v npm >/dev/null; then
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            give_up "Node is missing; install packages such as \`nodejs\` and \`npm\`"
        fi
        echo "No \`npm\` found; installing the packages \`nodejs\` and \`npm\`."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm
    fi
    STEPWRIGHT_TEST_MCP="$(scripts/test-mcp.sh)"
    export STEPWRIGHT_TEST_MCP
}

# Finds inputs that break the readers of untrusted bytes.
need_cargo_fuzz() {
    if cargo fuzz --version >/dev/null 2>&1; then return; fi
    echo "No \`cargo fuzz\` found; installing it from crates.io."
    cargo install cargo-fuzz --locked
}

stage "tools"
command -v cargo >/dev/null || give_up "\`cargo\` is missing; install Rust: https://rustup.rs"
need_c_compiler
need_postgres
need_faketime
need_bubblewrap
need_component fmt rustfmt
need_component clippy clippy
cargo --version

# Without the variables, tests that need PostgreSQL or Python 3.11 are skipped if it is missing. A test that
# hangs is stopped, and named.
all_tests() {
    STEPWRIGHT_TEST_POSTGRES=required STEPWRIGHT_TEST_CASES=required \
        "$@" scripts/watched.py 15 cargo test --workspace --all-features
}

if [ -n "$ordinary" ]; then
    stage "form"
    cargo fmt --all --check

    stage "lints"
    cargo clippy --workspace --all-targets --all-features -- -D warnings

    stage "documentation"
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace --all-features

    stage "a gateway for the tests"
    need_litellm
    echo "$STEPWRIGHT_TEST_LITELLM"

    stage "MCP programs for the tests"
    need_mcp
    echo "$STEPWRIGHT_TEST_MCP"

    stage "tests"
    all_tests

    stage "each feature of the library alone"
    scripts/features.sh

    stage "dependencies"
    if command -v cargo-deny >/dev/null; then
        # Advisories are left to `just deny`: they appear without a change here, so the result for one
        # commit would depend on the day.
        cargo deny --all-features check bans licenses sources
    else
        echo "Skipped: \`cargo-deny\` is not installed."
    fi
fi

# The longer tests. Each is a function of its name.
features() {
    scripts/features.sh all
}

install() {
    if [ "$(uname -s)" = Linux ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        # Takes the binary that is there, if it is current.
        scripts/release.sh
        scripts/release.sh check
    else
        echo "Skipped: it needs root on a Debian or Ubuntu."
    fi
}

# Runs the tests whose names contain a text.
tests_of() {
    cargo test --workspace --all-features --test it -- "$@"
}

traces() {
    local installed
    installed="$(scripts/test-phoenix.sh)"
    STEPWRIGHT_TEST_PHOENIX="$installed" tests_of a_receiver_of_traces_that_is_not_ours
}

workers() {
    STEPWRIGHT_TEST_WORKERS=500 tests_of --nocapture a_long_time_of_workers
}

restate() {
    scripts/test-restate.sh
}

page() {
    scripts/test-viewer.sh
}

python() {
    scripts/test-python.sh
}

teams() {
    local installed
    installed="$(scripts/test-agno-diff.sh)"
    STEPWRIGHT_TEST_AGNO_DIFF="$installed" tests_of agno::
}

clients() {
    local installed
    installed="$(scripts/test-agno.sh)"
    STEPWRIGHT_TEST_AGNO="$installed" tests_of clients::
}

openapi() {
    scripts/test-openapi.sh
}

embeddings() {
    local installed
    installed="$(scripts/test-embeddings.sh)"
    STEPWRIGHT_TEST_EMBEDDINGS="$installed" tests_of a_real_model_finds_passages
}

sandbox() {
    scripts/test-sandbox.sh
}

busy() {
    need_litellm
    need_mcp
    all_tests scripts/busy.sh 3
}

fuzzing() {
    need_cargo_fuzz
    scripts/fuzz.sh
}

mutants() {
    scripts/mutants.py
}

for name in ${chosen[@]+"${chosen[@]}"}; do
    stage "$name"
    "$name"
done

stage "everything passed"
