#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The simulator is held against reality: the same job with paced workers on
# this machine and in virtual time.  Each run is simulated twice.
#
# First with the time of every order as its coordinator saw it, from the
# release to the push: computing, transfers, and whatever other load did to
# them.  Nothing else takes time in a run, so the simulation must end with the
# same figures, however slow the machine was.
#
# Then with what is known before a run: the paces.  What paces do not have is
# measured: what a message takes, as a latency, and by how much iterations
# exceed their pace, as an exponential tail of that mean.  Where plans hang on
# near ties the draw decides about a few per cent, so the mean over some seeds
# counts.  A run that other load has disturbed a lot says nothing about its
# paces.
load ebsp
load jobs

SEEDS=10

# The live runs mostly sleep: all of them at once, before the first test.
setup_file() {
    command -v jq >/dev/null || return 0
    cd "$BATS_FILE_TMPDIR" || return
    live bsp 5
    live asp 5
    live ssp:staleness=2 5
    live dssp:low=1,high=3 5
    live backup:backups=1 5
    live kasync:k=2 5
    live elasticbsp 8
    live elasticbsp:between=local,lookahead=3 8
    wait
}

# live POLICY EPOCHS: 4 workers, one 2.5 times slower, 24 mini-batches an epoch.
live() {
    blobs_job "$1.json" ".epochs = $2 | .eval_every = 0"
    { HOME=$PWD timeout 200 "$EBSP" train "$1.json" -r "$1" -q -n 4 -p "$1" \
        --pace 60 --slow 0:2.5 && touch "$1.ok"; } >"$1.log" 2>&1 3>&- 4>&- &
}

setup() {
    ebsp_setup
    requires command -v jq
}

compare() {
    policy=$1
    run=$BATS_FILE_TMPDIR/$1
    [ -e "$run.ok" ] || { cat "$run.log" && return 1; }
    each=$(jq '.samples / 80' "$run/summary.json")
    orders >orders.json
    as_seen >seen.jsonl
    simulated --trace seen.jsonl | mean >sim.json
    agrees 0.01 0.002
    if calm; then
        drawn | mean >sim.json
        agrees 0.1 0.03
    else
        echo "# other load: not compared with the paces" >&3
    fi
}

# simulated OPTION...: the run's job in virtual time.
simulated() {
    ebsp simulate -n 4 -p "$policy" -q --batch 20 --iterations "$each" --json \
        "$@"
}

# drawn: by what is known before a run and the two measured means, many times.
drawn() {
    local latency speeds seed
    latency=$(latency)
    speeds=$(paces_and_tails)
    for seed in $(seq "$SEEDS"); do
        simulated --seed "$seed" --latency "$latency" --speeds "$speeds"
    done
}

# mean: of the figures of simulations.
mean() {
    jq -s 'def mean(f): map(.[0] | f) | add / length;
        {samples: .[0][0].samples, waiting_share: mean(.waiting_share),
            samples_per_second: mean(.samples_per_second)}'
}

# orders: of each its rank, steps, pace, computing and transfers; milliseconds.
orders() {
    jq -n '[foreach (inputs | select(.event == "release" or .event == "push"))
        as $e ({}; if $e.event == "release" then
                .of[$e.rank | tostring] = $e | .out = null
            else
                .of[$e.rank | tostring] as $order |
                (1000 * ($e.data + $e.compute)) as $ms |
                .out = {rank: $e.rank, steps: $order.steps, ms: $ms,
                    pace: (if $e.rank == 0 then 150 else 60 end),
                    transfer: (1000 * ($e.t - $order.t) - $ms)}
            end; .out // empty)]' "$run/events.jsonl"
}

# as_seen: their times as a trace, transfers and all.
as_seen() {
    jq -c '.[] | {event: "release", rank, steps},
        {event: "push", rank, data: 0,
            compute: ((.ms + .transfer) / 1000)}' orders.json
}

# More than nine tenths of the time of all orders is what the paces say.
calm() {
    jq -e '(map(.pace * .steps) | add) > 0.9 * (map(.ms + .transfer) | add)' \
        orders.json >/dev/null
}

# There and back.
latency() { jq 'map(.transfer) | add / length / 2' orders.json; }

paces_and_tails() {
    jq -r 'group_by(.rank) | map(
            ((map(.ms) | add) / (map(.steps) | add) - .[0].pace) as $excess |
            "\(.[0].rank):exponential(\(.[0].pace),\([$excess, 0] | max))")
        | join(";")' orders.json
}

# agrees RATE WAITING: live and simulated throughput differ by this share at
# most; the waiting shares by WAITING, or by a tenth where that is more.
agrees() {
    jq -n -e --argjson rate "$1" --argjson waiting "$2" \
        --slurpfile live "$run/summary.json" --slurpfile sim sim.json '
        $live[0] as $a | $sim[0] as $b |
        ($a.samples_per_second / $b.samples_per_second - 1 | fabs) < $rate
        and ($a.waiting_share - $b.waiting_share | fabs)
            < ([$waiting, $rate * $b.waiting_share] | max)
        and $a.samples == $b.samples' >/dev/null && return
    json "$run/summary.json" \
        '"live \(.samples_per_second) samples/s, waiting \(.waiting_share)"'
    json sim.json \
        '"simulated \(.samples_per_second) samples/s, waiting \(.waiting_share)"'
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
# bats test_tags=heavy
@test "elasticbsp: throughput and waiting as simulated" { compare elasticbsp; }
# bats test_tags=heavy
@test "elasticbsp with local steps: throughput and waiting as simulated" {
    # short orders: the last one would be a good part of the run
    compare elasticbsp:between=local,lookahead=3
}
