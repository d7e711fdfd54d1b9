#!/bin/bash
# clang-tidy over our C++, with the checks of .clang-tidy and the commands of build/dev.
set -euo pipefail
cd "$(dirname "$0")/.."
find src -name '*.cc' ! -name '*_fuzz.cc' ! -name '*_bench.cc' | sort |
  xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/dev --quiet --warnings-as-errors='*'
