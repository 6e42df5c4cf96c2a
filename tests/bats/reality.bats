#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The simulator is held against reality: the same job with paced workers on
# this machine and in virtual time.  Pacing (sleeping) makes iteration times
# known, so the comparison also holds on a busy machine; what is left is the
# cost of the real server and transport, a few per cent of 60 ms.
load ebsp
load jobs

# compare POLICY: 4 workers, one 2.5 times slower, 240 mini-batches.  Other
# load can only slow the real run down, so it has three tries.
compare() {
    local try
    blobs_job j.json '.epochs = 10 | .eval_every = 0'
    expect 0 simulate -n 4 -p "$1" --speeds 'all:60;0:150' --iterations 60 \
        --batch 20 --json -q
    echo "$output" >sim.json
    json sim.json '"simulated \(.[0].samples_per_second) samples/s, waiting \(.[0].waiting_share)"'
    for try in 1 2 3; do
        expect 0 train j.json -r "run$try" -q -n 4 -p "$1" --pace 60 --slow 0:2.5
        json "run$try/summary.json" '"live \(.samples_per_second) samples/s, waiting \(.waiting_share)"'
        ! agree "run$try/summary.json" || return 0
    done
    return 1
}

# Within ten per cent; of the waiting share, or of a fifth where it is small.
agree() {
    jq -n -e --slurpfile a "$1" --slurpfile b sim.json '
        ($a[0].samples_per_second / $b[0][0].samples_per_second - 1 | fabs) < 0.1
        and ($a[0].waiting_share - $b[0][0].waiting_share | fabs)
            < 0.1 * ([$b[0][0].waiting_share, 0.2] | max)
        and $a[0].samples == $b[0][0].samples' >/dev/null
}

# bats test_tags=heavy
@test "bsp: throughput and waiting as simulated" { compare bsp; }
# bats test_tags=heavy
@test "asp: throughput and waiting as simulated" { compare asp; }
# bats test_tags=heavy
@test "ssp: throughput and waiting as simulated" { compare ssp:staleness=2; }
# bats test_tags=heavy
@test "elasticbsp: throughput and waiting as simulated" { compare elasticbsp; }
# bats test_tags=heavy
@test "backup: throughput and waiting as simulated" { compare backup:backups=1; }
