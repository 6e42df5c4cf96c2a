#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What git knows and `make dist` packs are the same.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

rule="every file is in the release"
if [ -e .git ] && have git && [ -e "${EBSP_BUILDDIR:-}/Makefile" ]; then
    packed=$("${MAKE:-make}" -s --no-print-directory -C "$EBSP_BUILDDIR" \
        print-dist)
    # A folder in EXTRA_DIST stands for what is in it.
    verdict "$rule" "$(awk '
        NR == FNR { packed[$0] = 1; next }
        /^\.(git|ci|clang|editorconfig)/ { next }
        {
            for (path = $0; path != ""; sub(/\/?[^\/]*$/, "", path))
                if (path in packed)
                    next
            print $0 ": not in EXTRA_DIST or a SOURCES list"
        }' <(printf '%s\n' "$packed") <(git -c safe.directory="$PWD" ls-files | while read -r file; do
        [ ! -f "$file" ] || echo "$file"
    done))"
else
    skip "$rule" "not a git checkout with a build"
fi
done_linting
