# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the lints.  Each rule is one TAP test; what breaks it follows as
# comments.  They look at $EBSP_SRCDIR, so that selftest.sh can show them bad
# trees.
set -euo pipefail

lint_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${EBSP_SRCDIR:-$lint_dir/../..}"
lint_count=0
lint_failed=0

# files PATTERN...: the project's files, sorted: those that git knows or would
# add; without git all that are not build products.
files() {
    if [ -e .git ] && command -v git >/dev/null; then
        # A file may be deleted but not yet so in the index.
        # The checkout may belong to somebody else.
        git -c safe.directory="$PWD" ls-files -co --exclude-standard -- "$@" | while read -r file; do
            [ ! -f "$file" ] || printf '%s\n' "$file"
        done
    else
        local pattern match=()
        for pattern; do
            match+=(-o -path "./$pattern")
        done
        find . \( -path './build*' -o -path ./_build -o -path ./.git \
            -o -path ./autom4te.cache -o -name Makefile.in \
            -o -name aclocal.m4 -o -name 'con*.h.in' -o -name configure \) \
            -prune -o -type f \( "${match[@]:1}" \) -print | sed 's|^\./||'
    fi | LC_ALL=C sort -u
}

# scripts NAME: files whose first line names an interpreter with NAME in it.
scripts() {
    files '*' | while IFS= read -r file; do
        { IFS= read -r line <"$file" || true; } 2>/dev/null
        [[ $line != '#!'*"$1"* ]] || printf '%s\n' "$file"
    done
}

# matches ARG...: grep, where finding nothing is no failure.
matches() { grep "$@" || [ $? -eq 1 ]; }

# verdict NAME OFFENCES: passes when OFFENCES is empty.
verdict() {
    lint_count=$((lint_count + 1))
    if [ -z "$2" ]; then
        echo "ok $lint_count - $1"
    else
        echo "not ok $lint_count - $1"
        while IFS= read -r line; do
            printf '# %s\n' "$line"
        done <<<"$2"
        lint_failed=1
    fi
}

# skip NAME REASON
skip() {
    lint_count=$((lint_count + 1))
    echo "ok $lint_count - $1 # SKIP $2"
}

have() { command -v "$1" >/dev/null; }

# The flags that every source file needs, for tools that look at it alone.
lint_cflags() {
    echo '-D_GNU_SOURCE -DEBSP_POLICY_DIR=""'
    echo "-Isrc -Iinclude -Iplugins -Itests/unit"
    [ ! -e "${EBSP_BUILDDIR:-}/config.h" ] ||
        echo "-DHAVE_CONFIG_H -I$EBSP_BUILDDIR"
    pkg-config --cflags jansson libuv libcrypto libssl libarchive zlib libxxhash
}

# done_linting: the plan; the exit status.
done_linting() {
    echo "1..$lint_count"
    exit "$lint_failed"
}
