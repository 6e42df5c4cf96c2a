# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts here share: the comment at the head of each is its --help.
#
#   source bench/script.bash
#   refuse WHY      wrong usage: exit status 2
#   skip WHY        what it needs is not there, which is no failure
#   find_ebsp       $EBSP, or the one of the build folder that we are in
#   is_rate WORD    of a cable: tc's, or "none"
#   begin NAME      $results: its only JSON file, in the folder that OUT names

usage() { sed -n '3,/^[^#]\|^$/ s/^#$\|^# //p' "$0"; }

refuse() {
    printf '%s: %s, see --help\n' "$0" "$*" >&2
    exit 2
}

# A document tells so, too: no older one may look like that of this time.
skip() {
    echo "$0: skipped: $*" >&2
    printf '{"benchmark": "%s", "skipped": "%s"}\n' \
        "$(basename "$results" .json)" "$*" >"$results"
    exit 0
}

find_ebsp() {
    [ ! -x ./ebsp ] || : "${EBSP:=$PWD/ebsp}"
    if ! EBSP=$(command -v "${EBSP:-ebsp}"); then
        echo "$0: no ebsp: say EBSP=PATH" >&2
        exit 1
    fi
    EBSP=$(readlink -f "$EBSP")
}

is_rate() { [[ $1 =~ ^([0-9]+(\.[0-9]+)?[kmg]?bit|none)$ ]]; }

begin() {
    local out=${OUT:-bench-results}
    mkdir -p "$out"
    results=$(cd "$out" && pwd)/$1.json
    rm -f "$results"
}
