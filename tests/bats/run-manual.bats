#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What ebsp-run(5) and the pages of commands say about output for programs.
# shellcheck disable=SC2016 # jq has variables of its own
load ebsp
load jobs

setup() {
    ebsp_setup
    man=$EBSP_SRCDIR/man
}

# told PAGE SECTION: "ITEM KEY" for every C<key> below an =item.
told() {
    perl -l -00 -ne '
        $on = /^=head1 '"$2"'$/ if /^=head1/;
        next unless $on;
        if (/^=item (.*\S)/) {
            @items = split /, /, $1;
        } elsif (!/^=/) {
            for my $item (@items) {
                print "$item $1" while /C<(\w+)>/g;
            }
        }' "$man/$1"
}

@test "the page tells the events and their keys as the source writes them" {
    perl -0777 -ne '
        while (/events_begin\([^;]*?,\s*"(\w+)"\)(.*?)events_end/gs) {
            ($event, $body) = ($1, $2);
            print "$event\n";
            print "$event $1\n" while $body =~ /events_\w+\([^;]*?"(\w+)"/g;
        }' "$EBSP_SRCDIR"/src/*/*.c | sort -u >written
    [ "$(wc -l <written)" -gt 40 ]
    {
        told ebsp-run.5.pod EVENTS | grep -vE ' (t|event)$'
        perl -ne '$on = /EVENTS/ if /^=head1/;
            print "$1\n" if $on && /^=item (\w+)$/' "$man/ebsp-run.5.pod"
    } | sort -u | diff written -
}

@test "a run writes no event and no key that the page does not tell" {
    blobs_job j.json '.checkpoint_every = 1 | .workers = 3'
    blobs_job iid.json '.assignment = {"type": "iid"}'
    blobs_job bad.json '.layers[3] = {"type": "mse"} | .optimizer.lr = 1e6'
    echo 'j.json
        j.json -p asp
        j.json -p backup --slow 0:3 --pace 5
        j.json -p elasticbsp:between=local
        bad.json
        j.json --max-seconds 0.5 --epochs 1000000
        iid.json' >runs
    while read -r -a args; do
        run "$EBSP" train -q -r "run-$((++n))" "${args[@]}"
    done <runs
    # a note carries what its policy wants
    jq -r 'select(.event != "note") | .event as $e | keys[] |
        select(. != "t" and . != "event") | "\($e) \(.)"' run-*/events.jsonl |
        sort -u >seen
    [ "$(wc -l <seen)" -gt 35 ]
    told ebsp-run.5.pod EVENTS | sort -u >page
    [ -z "$(comm -13 page seen)" ] || { comm -13 page seen && return 1; }
    # and all but these have happened here
    comm -23 page seen | grep -vxE -e 'note name|checkpoint_failed .*' \
        -e '(lost|leave|retry|emulate) .*' -e 'release (keep|lr_factor|batch|rest)' | diff - /dev/null
}

@test "summary.json has the keys that the page tells" {
    blobs_job j.json
    expect 0 train j.json -q -r run
    blobs_job bad.json '.layers[3] = {"type": "mse"} | .optimizer.lr = 1e6'
    expect 9 train bad.json -q -r bad
    expect 0 train j.json -q -r short --max-seconds 0.001 --epochs 1000000
    jq -s -r '[.[] | keys[]] | unique[]' {run,bad,short}/summary.json >written
    perl -ne '$on = /SUMMARY/ if /^=head1/;
        if ($on && /^=item (.*)/) { print "$_\n" for split /, /, $1 }' \
        "$man/ebsp-run.5.pod" | sort | diff written -
    told ebsp-run.5.pod SUMMARY | sed -n 's/^per_worker //p' | sort -u |
        diff <(jq -r '.per_worker[0] | (keys + (.seconds | keys))[]' \
            run/summary.json | sort) -
}

@test "a run directory holds the files that the page tells" {
    blobs_job j.json '.optimizer = {"type": "adam", "lr": 0.01}'
    expect 0 train j.json -q -r run --tensorboard
    diff <(cd run && printf '%s\n' * | sed 's/-[0-9]\{12\}$/-VERSION/') \
        <(perl -ne 'print "$1\n" if /^=item F<(.*?)\/?>/' \
            "$man/ebsp-run.5.pod" | sort)
    cd run/checkpoint-*
    [ "$(printf '%s ' *)" = "manifest.json model.safetensors optim-first_moment.safetensors optim-second_moment.safetensors state.json " ]
}

# keys_told PAGE < JSON: every key is there in C<>.
keys_told() {
    local key
    jq -r '.. | objects | keys[]' | sort -u >keys
    [ -s keys ]
    while read -r key; do
        grep -q "C<$key>" "$man/$1" || { echo "no $key in $1" && return 1; }
    done <keys
}

@test "what commands print as JSON is told in their pages" {
    requires command -v jq
    blobs_job j.json '.name = "a\"b"'
    expect 0 train j.json -q -r run
    expect 0 eval run --json
    keys_told ebsp-eval.1.pod <<<"$output"
    [ "$(jq -r .model <<<"$output")" = 'a"b' ]
    expect 0 replay run --json
    keys_told ebsp-replay.1.pod <<<"$output"
    expect 0 simulate -q --train j.json --speeds 10 --json
    keys_told ebsp-simulate.1.pod <<<"$output"
    expect 0 simulate -q -p elasticbsp --speeds 10 --iterations 50 --json
    keys_told ebsp-simulate.1.pod <<<"$output"
}

@test "ebsp(1) tells the exit statuses that there are" {
    diff <(sed -n 's/^ *ERR_[A-Z]* = \([0-9]*\),*.*/\1/p' \
        "$EBSP_SRCDIR/src/base/err.h") \
        <(perl -ne '$on = /EXIT STATUS/ if /^=head1/;
            print "$1\n" if $on && /^=item B<(\d+)>$/' "$man/ebsp.1.pod")
}

@test "every subcommand knows the options of ebsp(1)" {
    local sub
    for sub in $("$EBSP" help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
        [ "$sub" != help ] || continue
        for option in -? --help --usage; do
            expect 0 "$sub" "$option"
            stdout_has "ebsp $sub"
        done
        for option in -V --version; do
            expect 0 "$sub" "$option"
            [[ $output =~ ^ebsp\ [0-9]+\.[0-9]+ ]]
        done
    done
}

@test "options may be shortened" {
    blobs_job j.json
    expect 0 train j.json --work 1 --dry
    stdout_has "1 local"
    expect 2 train j.json --s 1
}
