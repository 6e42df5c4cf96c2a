#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The option table in a plugin is the truth; its manual page says the same.
load ebsp

setup() {
    ebsp_setup
    man=$EBSP_SRCDIR/man
    requires command -v jq
    "$EBSP" policy list --json >list.json
}

@test "every policy has a page and every page its policy" {
    diff <(jq -r '.[].name' list.json | sort) \
        <(find "$man" -name 'ebsp-policy-*.7.pod' |
            sed 's|.*/ebsp-policy-||; s|\.7\.pod$||' | sort)
}

# table NAME: what the plugin says, one option per line
table() {
    jq -r --arg name "$1" '.[] | select(.name == $name) | .options[] |
        .name + " " + (
            if .type == "word" then .words
            else .type + " from \(.minimum) to \(.maximum)" end
        ) + " default " + .default' list.json | sort
}

# page NAME: the same from its page.  Below "=item B<name>=..." it says "integer
# from 0 to 5, default 3" or "B<word> (default)".
page() {
    perl -00 -ne '
        sub done {
            print join(" ", $name, $words || $range, "default", $default), "\n"
                if $name;
            ($name, $words, $range, $default) = ();
        }
        if (/^=item B<(\w+)>=(.*)/) {
            done();
            ($name, my $value) = ($1, $2);
            $words = join "|", $value =~ /B<(\w+)>/g;
        } elsif (/^=(back|head)/) {
            done();
        } elsif ($name) {
            s/\s+/ /g;
            s/[BICF]<([^<>]*)>/$1/g;
            $range = "$1 from $2 to $3"
                if /(integer|number) from (\d+) to (\d+)/;
            $default = $1 if !$default && /default (\d+)/;
            $default = $1 if !$default && /(\w+) \(default[;)]/;
        }' "$man/ebsp-policy-$1.7.pod" | sort
}

@test "the pages tell the options that the plugins have" {
    local name
    for name in $(jq -r '.[].name' list.json); do
        echo "$name: plugin (<), page (>)"
        diff <(table "$name") <(page "$name")
    done
}

# promise SPEC: "staleness at most 0, clock gap at most 1", of four workers
promise() { "$EBSP" policy show "$1" | sed -n 's/^promises.*: //p'; }

@test "the promises that the pages derive are those that the host watches" {
    [ "$(promise bsp)" = "staleness at most 0, clock gap at most 1" ]
    [ -z "$(promise asp)" ]
    [ "$(promise ssp:staleness=7)" = "clock gap at most 8" ]
    [ "$(promise dssp:low=2,high=9)" = "clock gap at most 9" ]
    [ "$(promise dssp:low=9,high=9)" = "clock gap at most 10" ]
    [ "$(promise backup)" = "staleness at most 0" ]
    [ "$(promise backup:backups=0)" = "$(promise bsp)" ]
    [ -z "$(promise kasync)" ]
    # (n - 1)(R + G)
    [ "$(promise elasticbsp:lookahead=5,max_gap=2)" = "staleness at most 21" ]
    [ "$(promise elasticbsp:between=local)" = "staleness at most 0" ]
}

@test "the page of the interface tells the names that the header has" {
    local header=$EBSP_SRCDIR/include/ebsp/policy.h
    # but not how versions are told apart, and patterns like EBSP_EVENT_*
    diff <(grep -oE '\bEBSP_[A-Z_]*[A-Z]\b' "$header" | sort -u |
        grep -vxE 'EBSP_POLICY_(H|MAGIC|ABI_MINOR)') \
        <(grep -oE '\bEBSP_[A-Z_]*[A-Z]\b' "$man/ebsp-policy.3.pod" | sort -u)
    local name
    for name in $(grep -oE '\(\*[a-z_]+\)' "$header" | tr -d '(*)'); do
        grep -qE "\b$name\b" "$man/ebsp-policy.3.pod"
    done
}

@test "dssp wants its thresholds in order" {
    expect 7 policy show dssp:low=5,high=4
    stderr_has "high is below low"
}
