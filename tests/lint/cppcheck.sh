#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

rule="cppcheck finds nothing"
if have cppcheck; then
    mapfile -t sources < <(files 'src/*.c' 'plugins/*.c' 'tests/unit/*.c' \
        'tests/fuzz/*.c')
    # Left out: uninitvar and invalidFunctionArg, for 2.10 does not see that a
    # loop runs at least once and takes mmap(..., -1, 0) for a mistake
    # (compilers and valgrind look for the former); and the advice against
    # readdir(), safe on a stream that one thread reads, where readdir_r() is
    # the deprecated one.
    verdict "$rule" "$(cppcheck --quiet --std=c11 --language=c \
        --enable=warning,performance,portability --inline-suppr \
        --error-exitcode=1 --library=posix --template=gcc -j "$(nproc)" \
        --suppress=missingIncludeSystem --suppress=readdirCalled \
        --suppress=uninitvar --suppress=invalidFunctionArg \
        -D_GNU_SOURCE -D__x86_64__ -Isrc -Iinclude -Iplugins "${sources[@]}" 2>&1 ||
        echo "cppcheck: exit status $?")"
else
    skip "$rule" "cppcheck is not installed"
fi
done_linting
