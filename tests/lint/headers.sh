#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, twice (its guard), and the ABI header in every
# language that plugins are written in.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

read -ra cc <<<"${CC:-cc}"
read -ra cflags <<<"$(lint_cflags | tr '\n' ' ')"
strict=(-Wall -Wextra -Wpedantic -Wundef -Werror -fsyntax-only)

# includes HEADER: a source file that includes it twice
twice() { printf '#include "%s"\n' "$1" "$1"; }

verdict "every header compiles alone" "$(
    for file in $(files 'src/*.h' 'include/*.h' 'plugins/*.h' \
        'tests/unit/*.h'); do
        twice "$file" | "${cc[@]}" "${cflags[@]}" -I. -std=c11 "${strict[@]}" \
            -x c - 2>&1 || echo "$file does not compile alone"
    done)"

verdict "every header has a guard named after its path" "$(
    for file in $(files 'src/*.h'); do
        name=${file#src/}
        name=EBSP_${name//[\/.]/_}
        grep -qxF "#define ${name^^}" "$file" || echo "$file: no ${name^^}"
    done)"

# as LANGUAGE STANDARD COMPILER...
as() {
    local language=$1 standard=$2
    shift 2
    if have "$1"; then
        verdict "ebsp/policy.h is valid $standard" "$(twice ebsp/policy.h |
            "$@" -Iinclude "${strict[@]}" -pedantic-errors -std="$standard" \
                -x "$language" - 2>&1 || true)"
    else
        skip "ebsp/policy.h is valid $standard" "$1 is not installed"
    fi
}
as c c99 "${cc[@]}"
as c c11 "${cc[@]}"
as c++ c++11 g++
as c++ c++20 g++

done_linting
