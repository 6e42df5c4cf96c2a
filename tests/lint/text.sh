#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Rules for every text file: licence line, white space, size, words.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

# Program text, whatever its language.
mapfile -t code < <(files '*.c' '*.h' '*.mk' '*.sh' '*.bash' '*.bats' \
    Makefile.am configure.ac '*.pc.in'; scripts '')
# Everything that people read; a corpus is bytes, the licence is not ours.
mapfile -t text < <(files '*' | matches -v -e '^tests/fuzz/corpus/.*/' \
    -e '^LICENSE$' | xargs -d '\n' grep -lI '')

# The first line, or the second below "#!".
verdict "the licence line comes first" "$(awk '
    FNR == 1 && /^#!/ { second[FILENAME] = 1; next }
    FNR == 1 + second[FILENAME] && !/SPDX-License-Identifier: Apache-2\.0/ {
        print FILENAME ":" FNR ": no SPDX-License-Identifier: Apache-2.0"
    }' "${code[@]}")"

verdict "no trailing white space" \
    "$(matches -nH '[[:space:]]$' "${text[@]}")"

verdict "every file ends with a newline" "$(
    for file in "${text[@]}"; do
        [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] ||
            printf '%s: no newline at the end\n' "$file"
    done)"

verdict "no file above 800 lines" "$(
    for file in "${code[@]}"; do
        lines=$(wc -l <"$file")
        ((lines <= 800)) || printf '%s: %d lines\n' "$file" "$lines"
    done)"

# In pieces, so that this file does not contain them.
verdict "no unfinished places" \
    "$(matches -nHwE 'TO''DO|FIX''ME|X''XX' "${text[@]}")"
verdict "no paths of one machine" \
    "$(matches -nHF -e '/wo''rk/' "${text[@]}")"
verdict "only tests look beside the source" "$(
    printf '%s\n' "${text[@]}" | matches -v '^tests/' |
        xargs -d '\n' grep -nHF '../sha''red' || [ $? -eq 123 ])"

if have jq; then
    mapfile -t documents < <(files '*.json')
    verdict "JSON files parse" "$(
        for file in "${documents[@]}"; do
            jq empty "$file" 2>&1 | sed "s|^|$file: |"
        done)"
else
    skip "JSON files parse" "jq is not installed"
fi

verdict "scripts are executable" "$(
    scripts '' | matches -vE '\.(sh|bats)$' | while IFS= read -r file; do
        [ -x "$file" ] || echo "$file: chmod +x"
    done)"

done_linting
