#!/bin/bash
# `everseal ca` beside Debian's pebble, in one run. Arguments: ca.py --help
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh test bench
cmake --build --preset release --target ca_load
exec /usr/bin/python3 bench/ca.py "$@"
