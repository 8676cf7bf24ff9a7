#!/usr/bin/env bash
# Sends the requests that Schemathesis makes of the OpenAPI document to `stepwright serve --demo`.
# No answer may be a failure of the server, and each must be one that the document has. The types of
# the page must be made of this document, which needs Node.
#
#   scripts/test-openapi.sh                builds the command
#   scripts/test-openapi.sh PATH           uses this one
#
# `EXAMPLES` is the number of requests for each operation; 40 by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Each version of the list has a folder of its own, so that an old installation is never used.
hash="$(git hash-object scripts/openapi.txt | cut -c1-12)"
home="$PWD/target/test-servers/openapi-$hash"

if [ ! -e "$home/installed" ]; then
    echo "Installing Schemathesis below \`target/test-servers\`; this takes a minute." >&2
    rm -rf "$home"
    mkdir -p "$home"
    python3 -m venv "$home/python" >&2
    "$home/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: --requirement scripts/openapi.txt >&2
    touch "$home/installed"
fi

command="${1:-}"
if [ -z "$command" ]; then
    cargo build --quiet -p stepwright-cli
    command="${CARGO_TARGET_DIR:-target}/debug/stepwright"
fi
command="$(realpath "$command")"

place="$(mktemp -d)"
server=
ended() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$place"
}
trap ended EXIT

export XDG_STATE_HOME="$place/state" XDG_CONFIG_HOME="$place/config" XDG_DATA_HOME="$place/data"
unset STEPWRIGHT_DB
(cd "$place" && exec "$command" serve --demo --port 0 --db "$place/a.db") 2>"$place/told" &
server=$!
until grep -q 'Listening at' "$place/told"; do
    kill -0 "$server" || { cat "$place/told" >&2; exit 1; }
    sleep 0.1
done
url="$(sed -n 's/.*Listening at \(http[^ ]*\).*/\1/p' "$place/told")"

node web/dev/types.mjs --check "$url/v1/openapi.json"

# Runs of the samples, so that some ids are those of runs.
for run in r-1 r-2; do
    curl -sf -o "$place/begun" -H 'content-type: application/json' "$url/v1/workflows/demo-story/runs" \
        -d "{\"input\": \"sea\", \"run_id\": \"$run\", \"session_id\": \"s-1\"}"
done

cd "$place"
"$home/python/bin/schemathesis" run "$url/v1/openapi.json" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --max-examples "${EXAMPLES:-40}" --request-timeout 20 --seed 1 --no-color
