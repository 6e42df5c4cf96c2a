#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The simulator is held against reality: the same job with paced workers on
# this machine and in virtual time.  Pacing (sleeping) makes iteration times
# known; what is left is the cost of the real server and transport, a few per
# cent of 60 ms.
#
# Other load makes iterations longer.  Their times are measured, so the run is
# always compared with a simulation of these very times; with one of the paces,
# too, unless load has changed them.  A live run is only repeated when so much
# time went into transfers, which the simulations do not have, that it says
# nothing about them: never because of how the comparison ends.
load ebsp
load jobs

setup() {
    ebsp_setup
    requires command -v jq
}

# compare POLICY [EPOCHS]: 4 workers, one 2.5 times slower, 24 mini-batches an
# epoch.
compare() {
    local policy=$1 epochs=${2:-5}
    blobs_job j.json ".epochs = $epochs | .eval_every = 0"
    for _ in 1 2 3; do
        rm -rf run
        expect 0 train j.json -r run -q -n 4 -p "$policy" --pace 60 --slow 0:2.5
        ! transfers_matter || continue
        simulated --trace run/events.jsonl
        agrees
        if paced; then
            simulated --speeds 'all:60;0:150'
            agrees
        fi
        return
    done
    skip "transfers take too long on this machine now"
}

simulated() {
    expect 0 simulate -n 4 -p "$policy" -q --batch 20 \
        --iterations $((6 * epochs)) --json "$@"
    echo "$output" >sim.json
}

# More than a twentieth of the time is transfer.
transfers_matter() {
    jq -e '[.per_worker[].seconds] |
        (map(.push + .pull) | add) > 0.05 * (map(.wall) | add)' \
        run/summary.json >/dev/null
}

# Iterations took what --pace and --slow say, within 3 %: orders of several
# steps as many times that.
paced() {
    jq -s -e '
        reduce .[] as $e ({n: [0, 0, 0, 0], s: [0, 0, 0, 0]};
            if $e.event == "release" then .n[$e.rank] += $e.steps
            elif $e.event == "push" then .s[$e.rank] += $e.data + $e.compute
            else . end)
        | [.s, .n] | transpose | map(.[0] / .[1] / 0.06) | .[0] /= 2.5
        | all(.[]; . < 1.03)' run/events.jsonl >/dev/null
}

# Within ten per cent; of the waiting share, or of three tenths where it is
# small.
agrees() {
    jq -n -e --slurpfile a run/summary.json --slurpfile b sim.json '
        ($a[0].samples_per_second / $b[0][0].samples_per_second - 1 | fabs) < 0.1
        and ($a[0].waiting_share - $b[0][0].waiting_share | fabs)
            < 0.1 * ([$b[0][0].waiting_share, 0.3] | max)
        and $a[0].samples == $b[0][0].samples' >/dev/null && return
    json run/summary.json '"live \(.samples_per_second) samples/s, waiting \(.waiting_share)"'
    json sim.json '"simulated \(.[0].samples_per_second) samples/s, waiting \(.[0].waiting_share)"'
    return 1
}

# bats test_tags=heavy
@test "bsp: throughput and waiting as simulated" { compare bsp; }
# bats test_tags=heavy
@test "asp: throughput and waiting as simulated" { compare asp; }
# bats test_tags=heavy
@test "ssp: throughput and waiting as simulated" { compare ssp:staleness=2; }
# bats test_tags=heavy
@test "dssp: throughput and waiting as simulated" {
    # little to decide: near ties go this way or that, and few add up
    compare dssp:low=1,high=3
}
# bats test_tags=heavy
@test "backup: throughput and waiting as simulated" { compare backup:backups=1; }
# bats test_tags=heavy
@test "kasync: throughput and waiting as simulated" { compare kasync:k=2; }
# A superstep's plan hangs on nanoseconds: more of them for the same mean.
# bats test_tags=heavy
@test "elasticbsp: throughput and waiting as simulated" { compare elasticbsp 8; }
# bats test_tags=heavy
@test "elasticbsp with local steps: throughput and waiting as simulated" {
    # short orders: the last one would be a good part of the run
    compare elasticbsp:between=local,lookahead=3 8
}
