#!/bin/bash
# Formats our C++ as .clang-format says; with --check only says what is not.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(-i)
[[ ${1:-} == --check ]] && mode=(--dry-run -Werror)
find src -name '*.cc' -o -name '*.h' | sort | xargs clang-format-19 "${mode[@]}"
