#!/bin/bash
# Everseal beside Debian's other ACME clients, against one CA, in one run. Arguments: peers.py --help
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh test bench
exec /usr/bin/python3 bench/peers.py "$@"
