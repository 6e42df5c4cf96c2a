#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every script, as shellcheck sees it.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

if have shellcheck; then
    verdict "shellcheck finds nothing in scripts" "$(
        { files '*.sh' '*.bash' && scripts sh; } | sort -u |
            xargs -r -d '\n' shellcheck -x -f gcc -- 2>&1 || true)"
    # A test is a subshell: what `run` sets and a test changes looks lost.
    verdict "shellcheck finds nothing in BATS files" "$(
        files '*.bats' | xargs -r -d '\n' shellcheck -f gcc \
            -e SC2030,SC2031,SC2154 -- 2>&1 || true)"
else
    skip "shellcheck finds nothing" "shellcheck is not installed"
fi
done_linting
