#!/usr/bin/env bash
# Builds the page, compares it with the built files that are committed, and tests it in a real
# browser. Installs what it needs: Chromium from the system's packages, and the npm packages that
# `web/package-lock.json` pins. Needs Node 20 or newer.
#
#   scripts/test-viewer.sh              # all tests
#   scripts/test-viewer.sh speed        # only the measurements
#   SCREENS=folder scripts/test-viewer.sh browser   # also writes screenshots
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../web"

CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
if [[ -z $CHROMIUM ]]; then
  as_root=()
  [[ $(id -u) == 0 ]] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" apt-get install -qy --no-install-recommends chromium
  CHROMIUM=$(command -v chromium)
fi
export CHROMIUM
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
  npm ci --no-audit --no-fund
fi

npx tsc --noEmit -p .
npm run --silent build
if ! git diff --exit-code --stat -- ../crates/stepwright-viewer/dist ../crates/stepwright-viewer/src/table.rs; then
  echo "the built files were not current; commit them" >&2
  exit 1
fi
case ${1:-all} in
  all) node --test --test-concurrency=1 test/*.test.mjs ;;
  *) node --test --test-concurrency=1 "test/$1.test.mjs" ;;
esac
