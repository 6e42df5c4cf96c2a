#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ebsp zipline: what it reads and prints, and what it refuses.
load ebsp

# The example of ebsp-zipline(1): intervals of 10, 12 and 35.
three() { printf '0,90,100\n1,87,99\n2,60,95\n'; }

# refused INPUT TEXT [ARG...]: bad.csv holds INPUT, as printf writes it
refused() {
    # shellcheck disable=SC2059 # the format is the input
    printf -- "$1" >bad.csv
    echo "input: $1"
    expect 3 zipline "${@:3}" bad.csv
    # shellcheck disable=SC2154 # set by run --separate-stderr
    [ "${stderr_lines[0]}" = "ebsp zipline: bad.csv$2" ]
    [ -z "$output" ]
}

# same_plan INPUT: as `three` is planned
same_plan() {
    # shellcheck disable=SC2059 # the format is the input
    printf "$1" >same.csv
    diff <(three | ebsp zipline -) <(ebsp zipline same.csv)
}

@test "a plan is printed as the manual shows it" {
    diff <(three | ebsp zipline) <(perl -ne '
        print "$1\n" if /^    (distance 5)/../^=head1/ and /^    (.*)/' \
        "$EBSP_SRCDIR/man/ebsp-zipline.1.pod")
}

@test "--json has distance, start, barrier and points" {
    three | ebsp zipline --json >plan.json
    json_true plan.json '. == {"distance": 5, "start": 130, "barrier": 135,
        "points": [{"worker": 0, "index": 3, "time": 130},
            {"worker": 1, "index": 3, "time": 135},
            {"worker": 2, "index": 1, "time": 130}]}'
}

@test "--first 0 lets workers stop where they are" {
    three >three.csv
    expect 0 zipline --first 0 --lookahead 1 three.csv
    [ "${lines[0]}" = "distance 5" ]
    [ "${lines[2]}" = "barrier  100" ]
    expect 0 zipline --first 1 --lookahead 1 three.csv
    [ "${lines[2]}" = "barrier  130" ]
}

@test "exact algorithms agree, heuristics give a plan" {
    three >three.csv
    ebsp zipline -R 9 three.csv >plan
    for name in paper naive; do
        diff plan <(ebsp zipline -R 9 -a "$name" three.csv)
    done
    for name in gridscan fullgridscan; do
        expect 0 zipline -R 9 -a "$name" three.csv
        stdout_has "distance "
    done
}

@test "the published data set gives the published distance" {
    shared zipline/pushes_n1000.csv
    file=$EBSP_SHARED/zipline/pushes_n1000.csv
    ebsp zipline --lookahead 150 --first 0 --json "$file" >plan.json
    json_true plan.json '.distance == 1382 and .start == 1553557810312 and
        .barrier == 1553557811694 and (.points | length) == 1000'
    json_true plan.json '([.points[].time] | min) == .start and
        ([.points[].time] | max) == .barrier'
}

@test "header, CRLF, byte order mark, spaces and empty lines are fine" {
    same_plan 'worker,previous_push,last_push\n0,90,100\n1,87,99\n2,60,95'
    same_plan 'worker,previous_push,last_push\r\n0,90,100\r\n1,87,99\r\n2,60,95\r\n'
    same_plan '\xef\xbb\xbf0,90,100\n1,87,99\n2,60,95\n'
    same_plan '\n 0, 90 ,100\t\n\n1,87,99\n\n2,60,95\n\n'
}

@test "decimals are kept exactly" {
    printf '0,0.1,0.2\n1,0.05,0.1999\n' >decimals.csv
    ebsp zipline --json decimals.csv >plan.json
    grep -F '"distance": 0.0003, "start": 0.4997, "barrier": 0.5000' plan.json
    json_true plan.json '.points[1].time == 0.4997'
    printf -- '0,-0.000000002,-0.000000001\n' >tiny.csv
    expect 0 zipline -f 0 -R 1 tiny.csv
    [ "${lines[1]}" = "start    -0.000000001" ]
    [ "${lines[0]}" = "distance 0.000000000" ]
}

@test "integers near the limits of 64 bits are kept exactly" {
    printf '1,9223372036854775790,9223372036854775791\n' >high.csv
    printf '2,9223372036854775780,9223372036854775787\n' >>high.csv
    expect 0 zipline -R 2 high.csv
    [ "${lines[1]}" = "start    9223372036854775793" ]
    printf -- '1,-9223372036854775808,-9223372036854775807\n' >low.csv
    expect 0 zipline -R 1 low.csv
    [ "${lines[1]}" = "start    -9223372036854775806" ]
}

@test "malformed lines are refused with file and line" {
    form='worker,previous_push,last_push'
    refused '' ":1: no workers, expected lines of $form"
    refused '\n\n' ":1: no workers, expected lines of $form"
    refused "$form\n" ":1: no workers, expected lines of $form"
    refused '0,1,2\n1,2\n' ":2: expected $form, got \"1,2\""
    refused '0,1,2,3\n' ":1: expected $form, got \"0,1,2,3\""
    refused '0;1;2\n' ":1: expected $form, got \"0;1;2\""
    refused "0,1,2\n$form\n" \
        ':2: worker "worker" is not a whole number from 0 on'
    refused '-1,1,2\n' ':1: worker "-1" is not a whole number from 0 on'
    refused '1.5,1,2\n' ':1: worker "1.5" is not a whole number from 0 on'
    refused '0,,2\n' ':1: previous_push "" is not a decimal number'
    refused '0,1,2e3\n' ':1: last_push "2e3" is not a decimal number'
    refused '0,1,0x20\n' ':1: last_push "0x20" is not a decimal number'
    refused '0,1,nan\n' ':1: last_push "nan" is not a decimal number'
    refused '0,1,2.\n' ':1: last_push "2." is not a decimal number'
    refused '0,1,.5\n' ':1: last_push ".5" is not a decimal number'
    refused '0,1,\033[31m\n' \
        ':1: last_push "\x1b[31m" is not a decimal number'
    refused '0,1,2.0123456789\n' \
        ':1: last_push "2.0123456789" has more than 9 digits after the point'
    refused '0,1,9223372036854775808\n' \
        ':1: last_push "9223372036854775808" does not fit into 64 bits'
    refused '0,1,2\n\n3,4,5\n0,6,7\n' ':4: worker 0 again, first on line 1'
}

@test "intervals of zero or less are refused" {
    refused '0,1,2\n1,7,7\n' \
        ':2: last_push of worker 1 is not after its previous_push'
    refused '0,9,7.5\n' \
        ':1: last_push of worker 0 is not after its previous_push'
}

@test "predictions beyond 64 bits are refused" {
    refused '0,1,2\n7,9223372036854775800,9223372036854775801\n' \
        ':2: pushes lie too far apart for their number of digits'
    refused '7,9223372036854775800,9223372036854775802\n' \
        ':1: push 15 of worker 7 would not fit into 64 bits'
    refused '7,0,400000000000000000\n' \
        ':1: push 15 of worker 7 would not fit into 64 bits'
}

@test "a file that is missing or a folder is refused" {
    expect 3 zipline none.csv
    stderr_has "none.csv: No such file or directory"
    expect 3 zipline .
    stderr_has ".: Is a directory"
}

@test "wrong options are refused" {
    three >three.csv
    for args in "--lookahead=0" "--lookahead=1000001" "--lookahead=x" \
        "--first=2" "--algorithm=best" "extra.csv" "--benchmark" "--fast"; do
        echo "option: $args"
        expect 2 zipline "$args" three.csv
        [ -z "$output" ]
    done
}

@test "naive refuses what would never end" {
    for i in {1..20}; do echo "$i,0,$i"; done >many.csv
    expect 2 zipline --algorithm naive many.csv
    stderr_has "more than 200000000 combinations"
}

@test "a hundred thousand workers are planned" {
    seq 100000 | awk '{ print $1 ",0," 1000 + $1 * 7919 % 1000 }' >many.csv
    expect 0 zipline -R 150 many.csv
    [ "${#lines[@]}" -eq 100004 ]
}

@test "a full disk is an error" {
    [ -e /dev/full ] || skip "no /dev/full"
    three >three.csv
    run bash -c '"$0" zipline three.csv >/dev/full' "$EBSP"
    [ "$status" -eq 5 ]
}

# bats test_tags=heavy
@test "--benchmark prints a row per size, lookahead and algorithm" {
    ebsp zipline --benchmark --algorithm gridscan --json >bench.json
    json_true bench.json 'length == 20 and
        ([.[].workers] | unique) == [10, 100, 1000, 10000, 100000] and
        ([.[].lookahead] | unique) == [15, 150] and
        all(.seconds > 0 and .excess >= 0 and .algorithm == "gridscan")'
    expect 0 zipline --benchmark --algorithm zipline --lookahead 15
    [ "${#lines[@]}" -eq 11 ]
}
