#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The option tables in the program are the truth; the pages say the same.
load ebsp

setup() {
    ebsp_setup
    man=$EBSP_SRCDIR/man
}

subcommands() {
    "$EBSP" help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | grep -vx help
}

# pages GLOB: the .pod files that there are.
pages() { find "$man" -name "$1" | sort; }

# Options on stdin, one per line: "-n", "--workers=" (takes a value), "--json".
# Those that every subcommand has are in ebsp(1).
options() {
    perl -ne '
        print "$1$2\n" while /(?<![\w-])(--?[A-Za-z?][\w-]*)\[?(=?)/g' |
        grep -vxE -e '-[?hV]|--(help|usage|version)=?' | sort -u
}

# parts SUBCOMMAND: those of "ebsp SUBCOMMAND PART" that have options of their
# own, as its --help names them: (ebsp SUBCOMMAND PART --help).
parts() {
    "$EBSP" "$1" --help | tr -s '\n ' ' ' |
        grep -oE "\\(ebsp $1 [a-z]+ --help\\)" | cut -d' ' -f3
}

# What argp prints: the options begin a line; two spaces end them.
help_options() {
    local part
    {
        "$EBSP" "$1" --help
        for part in $(parts "$1"); do
            "$EBSP" "$1" "$part" --help
        done
    } | perl -ne 'print "$1\n" if /^ {2,6}(-.*?)(  |$)/' | options
}

# =item B<-n>, B<--workers>=I<N>
page_options() {
    perl -ne 's/[BICF]<([^<>]*)>/$1/g; print "$1\n" if /^=item\s+(-.*)/' "$1" |
        options
}

@test "every subcommand has a page and every page its subcommand" {
    [ -n "$(subcommands)" ]
    # hidden: nobody types it
    diff <({ subcommands && echo worker; } | sort) <(pages 'ebsp-*.1.pod' |
        sed 's|.*/ebsp-||; s|\.1\.pod$||')
}

@test "the pages tell the options that --help tells" {
    local sub
    for sub in $(subcommands); do
        echo "ebsp $sub: --help (<), page (>)"
        diff <(help_options "$sub") <(page_options "$man/ebsp-$sub.1.pod")
    done
}

@test "the usage lines of --help are in the pages" {
    local sub line
    for sub in $(subcommands); do
        "$EBSP" "$sub" --help | sed -n 's/^Usage: \(ebsp [a-z]*\) .*/\1/p' |
            while read -r line; do
                grep -qF "B<$line>" "$man/ebsp-$sub.1.pod" || {
                    echo "no B<$line> in ebsp-$sub.1.pod" && return 1
                }
            done
    done
}

@test "the benchmarks below ebsp bench are in its --help and its page" {
    local part
    [ "$(parts bench)" = sync ]
    for part in $(parts bench); do
        grep -qF "B<ebsp bench $part>" "$man/ebsp-bench.1.pod"
        grep -qF "F<./$part>" "$man/ebsp-bench.1.pod"
    done
}

@test "ebsp(1) names every subcommand" {
    local sub
    for sub in $(subcommands); do
        grep -qF "L<ebsp-$sub(1)>" "$man/ebsp.1.pod" || {
            echo "no L<ebsp-$sub(1)> in ebsp.1.pod" && return 1
        }
    done
}

# bats test_tags=heavy
@test "podchecker has nothing to say" {
    requires command -v podchecker
    local page
    for page in $(pages '*.pod'); do
        run podchecker -warnings -warnings "$page"
        [ "$status" -eq 0 ]
        # "kernel" may be a key of several layers.
        if grep -E 'WARNING|ERROR' <<<"$output" |
            grep -v 'multiple occurrences .* of link target'; then
            return 1
        fi
    done
}

# bats test_tags=heavy
@test "pages refer to pages that exist" {
    local page target
    for page in $(pages '*.pod'); do
        while read -r target; do
            [ -e "$man/$target.pod" ] || {
                echo "${page##*/}: no page $target" && return 1
            }
        done < <(perl -ne 'print "$1.$2\n"
            while /L<(ebsp[a-z-]*)\((\d)\)>/g' "$page")
    done
}

# bats test_tags=heavy
@test "every page is built, with its name, section and summary" {
    local page name
    for page in $(pages '*.pod'); do
        name=${page##*/}
        name=${name%.pod}
        grep -qi "^\.TH \"*${name%.*}\"* \"*${name##*.}\"* " \
            "$EBSP_BUILDDIR/man/$name"
        grep -qE "^${name%.*} - ." "$page"
    done
}
