#!/usr/bin/env bash
# Installs Phoenix, unless it is installed, and prints the path of its command. Tests find it through
# `STEPWRIGHT_TEST_PHOENIX`.
exec "$(dirname "${BASH_SOURCE[0]}")/locked-program.sh" phoenix
