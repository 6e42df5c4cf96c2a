#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Functions that are not called: unbounded, unchecked, or not reproducible.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

# calls FUNCTIONS FILE...: file:line of each call, comments and string literals
# not looked at.  FUNCTIONS are separated by |.
calls() {
    local functions=$1
    shift
    (($# == 0)) || perl -e '
        my $names = shift;
        for my $file (@ARGV) {
            open my $in, "<", $file or die "$file: $!\n";
            local $/;
            my $text = <$in>;
            # Comments and literals go, the newlines in them stay.
            $text =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])+\x27)}
                      {(my $gap = $1) =~ tr/\n//cd; $gap}gse;
            my $line = 0;
            for (split /\n/, $text) {
                $line++;
                # A member or another name that ends alike is not meant.
                print "$file:$line: $1\n" while /(?<![\w.>])($names)\s*\(/g;
            }
        }' "$functions" "$@"
}

mapfile -t all < <(files '*.[ch]' | matches -v '^tests/abi/')
verdict "no unbounded or unchecked functions" "$(calls \
    'strcpy|strcat|stpcpy|sprintf|vsprintf|gets|atoi|atol|atoll|atof|system|popen|strtok|alloca' \
    "${all[@]}")"
# Seeds and states are passed in (base/rng.h).
verdict "no hidden random state" "$(calls \
    'rand|srand|random|srandom|drand48|srand48|lrand48' "${all[@]}")"

# Only the command line talks and decides when the process ends.
mapfile -t library < <(files 'src/*.[ch]' 'plugins/*.[ch]' |
    matches -vE '^src/(cmd/|main\.c)')
verdict "library code neither prints nor exits" "$(calls \
    'printf|vprintf|puts|putchar|perror|exit|abort' "${library[@]}")"

done_linting
