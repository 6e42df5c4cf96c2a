#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy as .clang-tidy says; slow, hence a target of its own (lint-tidy).
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

if ! have clang-tidy; then
    skip "clang-tidy" "clang-tidy is not installed"
    done_linting
fi
read -ra cflags <<<"$(lint_cflags | tr '\n' ' ')"
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
mapfile -t sources < <(files 'src/*.c' 'plugins/*.c')

# As many at a time as there are processors; findings into a file each.
for i in "${!sources[@]}"; do
    ((i < $(nproc))) || wait -n || true
    model=(-include "$lint_dir/analyzer.h")
    # Where the functions are defined they cannot be modelled.
    [[ ${sources[i]} != src/base/@(err|json).c &&
        -e src/base/json.h ]] || model=()
    clang-tidy --quiet "${sources[i]}" -- "${cflags[@]}" -std=gnu11 \
        "${model[@]}" >"$results/$i" 2>&1 &
done
wait
for i in "${!sources[@]}"; do
    verdict "clang-tidy ${sources[i]}" "$(matches -vE \
        '^[0-9]+ warnings? .*(generated|treated)|^Suppressed|^Use -header' \
        "$results/$i")"
done
done_linting
