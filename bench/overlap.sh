#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How much of the transfer is hidden behind computing when a worker trains
# alexnet-large (6.7 million parameters, batch 128, one thread) over a cable.
#
#   bench/overlap.sh [--quick] [RATE]
#
# RATE is that of the cable, as tc writes it; default 1gbit.  Medians over the
# iterations of 5 runs, --quick: of one.  Needs root, iperf3, jq and ebsp
# (EBSP=PATH, or ./ebsp).  Prints a table and leaves the figures as JSON in OUT
# (default bench-results), overlap.json.
#
#   compute    seconds of an iteration that the worker computes (and reads data)
#   transfer   what both ways take at the speed that iperf3 reaches
#   exposed    seconds that the worker does nothing but wait for push, update
#              and pull
#   iteration  from update to update; bound: max(compute, transfer)
#   hidden     1 - exposed / transfer

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=bench/script.bash
source "$here/script.bash"
rounds=5 rate=''
for arg; do
    case $arg in
    --help | -h) usage && exit ;;
    --quick) rounds=1 ;;
    *)
        if [ -n "$rate" ] || ! is_rate "$arg"; then
            refuse "expected --quick or one rate, got \"$arg\""
        fi
        rate=$arg
        ;;
    esac
done
rate=${rate:-1gbit}
model=$here/../models/alexnet-large-cifar10.json
begin overlap
# shellcheck source=bench/cables.bash
source "$here/cables.bash"
for tool in iperf3 jq; do command -v "$tool" >/dev/null || skip "needs: $tool"; done
need_netns
make_netns 1
cable 0 "$rate"
# 8 iterations on samples made up: their contents cost the same.
jq '.batch = 128 | .workers = 1 | .threads = 1 | .epochs = 1 | .policy = "bsp" |
    .eval_every = 0 | .checkpoint_every = 0 | del(.augment) |
    .data = {type: "blobs", classes: 10, features: 3072, train: 1024, test: 10}
    ' "$model" >job.json
iperf_start
# shellcheck disable=SC2119 # its own arguments
gbit=$(iperf_gbit)
echo "iperf3: $gbit Gbit/s"
printf '%-6s %8s %8s %8s %9s %8s %7s\n' how compute transfer exposed iteration \
    bound hidden
for how in plain tls; do
    flags=()
    [ $how = tls ] || flags=(--insecure)
    rm -f all
    for ((i = 0; i < rounds; i++)); do
        netns_train job.json "${flags[@]}"
        cat run/events.jsonl >>all
    done
    bytes=$(jq '.per_worker[0] | (.bytes_pulled / .iterations)' run/summary.json)
    jq -cs --arg how $how --argjson gbit "$gbit" --argjson bytes "$bytes" '
        def median: sort | .[length / 2 | floor];
        map(select(.event == "push")) |
        [range(1; length) as $i | .[$i] as $e | .[$i - 1] as $b |
            select($e.iteration > 3) |
            {compute: ($e.compute + $e.data), exposed: ($e.push + $e.pull),
             iteration: ($e.t - $b.t),
             moving: ($e.push_hidden + $e.pull_hidden)}] |
        {how: $how, gbit: $gbit, compute: (map(.compute) | median),
         transfer: (2 * 8 * $bytes / $gbit / 1e9),
         exposed: (map(.exposed) | median),
         iteration: (map(.iteration) | median),
         moving: (map(.moving) | median)} |
        .bound = ([.compute, .transfer] | max) |
        .hidden = 1 - .exposed / .transfer' all | tee -a rows |
        jq -r '[.how, .compute, .transfer, .exposed, .iteration, .bound, .hidden] |
            @tsv' |
        awk '{ printf "%-6s %8.3f %8.3f %8.3f %9.3f %8.3f %6.0f%%\n",
            $1, $2, $3, $4, $5, $6, 100 * $7 }'
done
jq -es --arg rate "$rate" --argjson rounds "$rounds" \
    '{benchmark: "overlap", rate: $rate, rounds: $rounds, rows: .}' \
    rows >"$results"
