#!/bin/bash
# clang-tidy over what the program is made of, with the checks of .clang-tidy and the commands of
# build/dev, which are made for g++: clang does not know one of its warnings, finds libstdc++ 12 to be
# deprecated and reads none of its precompiled headers. What was found clean and is the same after
# preprocessing is not looked at again.
set -euo pipefail
cd "$(dirname "$0")/.."
export CLEAN=${XDG_CACHE_HOME:-$HOME/.cache}/everseal-tidy
mkdir -p "$CLEAN"
find "$CLEAN" -type f -mtime +30 -delete
mkdir -p build/tidy
sed 's/-Winvalid-pch//; s/-include [^ ]*cmake_pch.hxx//' build/dev/compile_commands.json > build/tidy/compile_commands.json

look() {
  local hash
  hash=$({ cat .clang-tidy; clang++-19 -E -P -std=c++23 -Isrc -D_GNU_SOURCE -DFMT_HEADER_ONLY=1 \
    -DEVERSEAL_VERSION='""' "$1" 2>&1; } | sha256sum | cut -d' ' -f1)
  [ -e "$CLEAN/$hash" ] && return
  clang-tidy-19 -p build/tidy --quiet --warnings-as-errors='*' \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-deprecated-declarations "$1"
  touch "$CLEAN/$hash"
}
export -f look

find src -name '*.cc' ! -name '*_test.cc' ! -name '*_fuzz.cc' ! -name '*_bench.cc' | sort |
  xargs -P "$(nproc)" -I{} bash -euc 'look {}'
