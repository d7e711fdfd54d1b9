#!/bin/bash
# clang-tidy over our C++, with the checks of .clang-tidy and the commands of build/dev, which are
# made for g++: clang does not know one of its warnings and finds libstdc++ 12 to be deprecated.
set -euo pipefail
cd "$(dirname "$0")/.."
find src -name '*.cc' ! -name '*_fuzz.cc' ! -name '*_bench.cc' | sort |
  xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/dev --quiet --warnings-as-errors='*' \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-deprecated-declarations
