#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ebsp simulate and ebsp replay.
load ebsp
load jobs

@test "the same seed gives the same output, byte for byte" {
    args=(simulate -n 8 -p bsp -p asp --speeds 'all:lognormal(100,0.3);2:constant(300)' --iterations 200)
    expect 0 "${args[@]}" -s 5 --json
    printf '%s' "$output" >a
    expect 0 "${args[@]}" -s 5 --json
    printf '%s' "$output" >b
    cmp a b
    expect 0 "${args[@]}" -s 6 --json
    printf '%s' "$output" >c
    run ! cmp -s a c
}

@test "constant speeds give the throughput that arithmetic gives" {
    # the slowest of four needs 200 ms: bsp makes 4 iterations each 200 ms
    expect 0 simulate -n 4 -p bsp -p asp --speeds 'all:100;3:200' --iterations 100 --json -q
    echo "$output" >o.json
    json_true o.json '.[0].seconds == 20 and .[0].iterations == 400'
    json_true o.json '(.[0].waiting_share - 0.375 | fabs) < 1e-9'
    # 3 * 10 + 5 = 35 iterations a second
    json_true o.json '(.[1].iterations_per_second - 35 | fabs) < 1 and
        .[1].waiting_share == 0'
}

@test "virtual time that overflows is an error, not nonsense" {
    for args in '--speeds lognormal(100,1000)' '--speeds 1e12' \
        '--speeds 5 --latency 1e300' '--speeds 5 --apply 1e300' \
        '--speeds 5 --bandwidth 1e-9 --bytes 9000000000000000000'; do
        # shellcheck disable=SC2086 # options and their values
        expect 2 simulate -p asp --iterations 20 $args
        stderr_has "virtual time ran beyond 146 years"
    done
}

@test "a shared link of the server limits the throughput" {
    # 1 MB each way at 0.08 Gbit/s: 100 ms on each link, one after the other
    expect 0 simulate -n 4 -p asp --speeds 10 --iterations 50 \
        --bandwidth 0.08 --bytes 1000000 --json -q
    echo "$output" >o.json
    json_true o.json '(.[0].iterations_per_second - 10 | fabs) < 0.3'
}

# costs SECONDS WAITING OPTION...: of 100 rounds of 4 workers with 100 ms each.
costs() {
    local seconds=$1 waiting=$2
    shift 2
    expect 0 simulate -n 4 -p bsp --speeds 100 --iterations 100 --json -q "$@"
    echo "$output" >o.json
    json_true o.json "(.[0].seconds - $seconds | fabs) < 1e-6 and
        (.[0].waiting_share - $waiting | fabs) < 1e-6"
}

@test "latency, link and updates cost a round what arithmetic gives" {
    costs 10 0
    costs 12 0 --latency 10                 # there and back
    costs 10.5 '(5 / 105)' --apply 5        # all wait for the update
    # pulls end after 100, 200, 300, 400 ms, pushes 200 ms later: the four
    # wait 300, 200, 100 and 0 of 600 ms
    costs 60 0.25 --bandwidth 0.08 --bytes 1000000
}

@test "wrong speeds are refused" {
    expect 2 simulate -p bsp --speeds 'all:lognormal(1)'
    expect 2 simulate -p bsp --speeds 'all:lognrmal(1,2)'
    stderr_has 'did you mean "lognormal"?'
    expect 2 simulate -p bsp --speeds '1:5'
    expect 2 simulate -p bsp --speeds '9:5;all:1'
    expect 2 simulate -p bsp
    expect 2 simulate --speeds 5
    expect 3 simulate -p bsp --trace absent
}

@test "measured times of a run drive the simulator" {
    blobs_job j.json
    expect 0 train j.json -r run -q --pace 10 --slow 1:2
    expect 0 simulate -n 2 -p bsp --trace run/events.jsonl --iterations 48 --json -q
    echo "$output" >o.json
    # a round lasts as long as the slower one took, whatever held that up
    rounds=$(jq -s 'map(select(.event == "push")) | group_by(.iteration) |
        map(map(.data + .compute) | max) | add' run/events.jsonl)
    json_true o.json ".[0].seconds > 0.9 and
        (.[0].seconds - $rounds | fabs) < 1e-6"
}

@test "measured times of several steps count for each of them" {
    for _ in 1 2 3; do
        echo '{"t":0,"event":"release","rank":0,"steps":4}'
        echo '{"t":1,"event":"push","rank":0,"data":0.1,"compute":0.3}'
    done >events.jsonl
    expect 0 simulate -n 1 -p asp --trace events.jsonl --iterations 30 --json -q
    echo "$output" >o.json
    json_true o.json '(.[0].seconds - 3 | fabs) < 1e-6'
}

@test "training in virtual time is deterministic and equals bsp on machines" {
    blobs_job j.json
    expect 0 simulate --train j.json -n 4 -p bsp -p asp --speeds 'all:100;0:300' --json -q
    echo "$output" >a.json
    expect 0 simulate --train j.json -n 4 -p bsp -p asp --speeds 'all:100;0:300' --json -q
    echo "$output" >b.json
    cmp a.json b.json
    expect 0 train j.json -r run -q -n 4
    [ "$(json a.json '.[0].params_hash')" = "$(hash_of run)" ]
    json_true a.json '.[1].samples == 1920 and .[1].test_accuracy > 0.8 and
        (.[1].evaluations | length) >= 4 and .[1].seconds < .[0].seconds'
}

@test "a dropped push wakes no more workers than there is work for" {
    # 300 workers without work were told of each of 4000 mini-batches that
    # went straight back to the one who had dropped it
    expect 0 simulate -n 300 -p backup:backups=150 \
        --speeds 'all:lognormal(100,0.3)' --iterations 20 --json
    # shellcheck disable=SC2154 # set by run --separate-stderr
    [[ $stderr =~ \ ([0-9]+)\ events ]]
    [ "${BASH_REMATCH[1]}" -lt 30000 ]
}
