#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# .clang-format decides.  Its versions disagree in details: 14 (Debian 12) it is.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

rule="clang-format changes nothing"
for program in clang-format-14 clang-format ''; do
    [ -z "$program" ] || ! have "$program" || break
done
if [ -z "$program" ]; then
    skip "$rule" "clang-format is not installed"
elif ! "$program" --version | grep -q 'version 14\.'; then
    skip "$rule" "$("$program" --version) is not version 14"
else
    # Old headers under tests/abi are frozen as they were.
    mapfile -t sources < <(files '*.[ch]' | matches -v '^tests/abi/.*\.h$')
    verdict "$rule" "$("$program" --dry-run -Werror "${sources[@]}" 2>&1 ||
        true)"
fi
done_linting
