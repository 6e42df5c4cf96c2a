#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How much of a TCP path parameters and contributions use, against iperf3 on the
# same path, plain and in TLS.
#
#   bench/wire.sh [--quick] [RATE...]
#
# RATE is that of the cable, as tc writes it (1gbit), or "none" for one without
# a limit; default 1gbit 10gbit none.  Medians of 5 rounds, --quick: one.
# Needs root, iperf3, jq and ebsp (EBSP=PATH, or ./ebsp).  Prints a table and
# leaves the figures as JSON in OUT (default bench-results), wire.json.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=bench/script.bash
source "$here/script.bash"
rounds=5 rates=()
for arg; do
    case $arg in
    --help | -h) usage && exit ;;
    --quick) rounds=1 ;;
    *)
        is_rate "$arg" || refuse "expected --quick or a rate, got \"$arg\""
        rates+=("$arg")
        ;;
    esac
done
[ ${#rates[@]} -gt 0 ] || rates=(1gbit 10gbit none)
begin wire
# shellcheck source=bench/cables.bash
source "$here/cables.bash"
for tool in iperf3 jq; do command -v "$tool" >/dev/null || skip "needs: $tool"; done
need_netns
make_netns 1

# One dense layer of 10^7 numbers and a small one, 40 MB each way; workers do not compute.
cat >job.json <<'J'
{
  "name": "wire",
  "input": [1000],
  "layers": [
    {"type": "dense", "units": 9990},
    {"type": "dense", "units": 10},
    {"type": "softmax_cross_entropy"}
  ],
  "data": {"type": "blobs", "classes": 10, "features": 1000, "train": 18, "test": 10},
  "batch": 1, "epochs": 1, "workers": 1, "policy": "bsp",
  "eval_every": 0, "checkpoint_every": 0,
  "optimizer": {"type": "sgd", "lr": 1e-9}
}
J
bytes=$((4 * (1000 * 9990 + 10000 + 99904 + 16)))

# Seconds of a pull, of what is left of the time from release to push, and of a
# round.  The first rounds warm up.
split() {
    jq -rs 'def median: sort | .[length / 2 | floor];
        reduce .[] as $e ({past: []};
            if $e.event == "release" then .since = $e.t
            elif $e.event == "push" then .past += [$e | {t, pull,
                rest: (.t - .pull - .compute - .data)}] |
                .past[-1].rest -= .since
            else . end) | .past | .[1:] as $b | [range(3; length - 1)] |
        map({pull: $b[.].pull, rest: $b[.].rest,
            round: ($b[.].t - $b[. - 1].t)}) |
        [(map(.pull) | median), (map(.rest) | median), (map(.round) | median)] |
        @tsv' run/events.jsonl
}

# Gbit/s towards the worker, away from it, and both ways in a whole round.  What
# remains without a cable, in shared memory, is the update and no transfer.
ebsp_gbit() { # HOW...
    netns_train job.json --echo "$@"
    split | awk -v bits="$((8 * bytes))" -v update="$update" '{
        print bits / $1 / 1e9 "\t" bits / ($2 - update) / 1e9 "\t" \
            2 * bits / $3 / 1e9 }'
}
iperf_start
printf '%-8s %-6s %8s %8s %8s %8s %8s %7s\n' \
    rate how iperf-dn iperf-up pull push round share
for rate in "${rates[@]}"; do
    cable 0 "$rate"
    rm -f ./*.tsv
    rm -rf run
    "$EBSP" train job.json -q -r run --echo >log 2>&1 || {
        cat log >&2
        exit 1
    }
    update=$(split | cut -f 2)
    for ((i = 0; i < rounds; i++)); do
        iperf_gbit -R >>down.tsv
        iperf_gbit >>up.tsv
        ebsp_gbit --insecure >>plain.tsv
        ebsp_gbit >>tls.tsv
    done
    down=$(median_of down.tsv) up=$(median_of up.tsv)
    for how in plain tls; do
        for k in 1 2 3; do cut -f $k $how.tsv >$how.$k; done
        jq -cn --arg rate "$rate" --arg how $how --argjson down "$down" \
            --argjson up "$up" --argjson pull "$(median_of $how.1)" \
            --argjson push "$(median_of $how.2)" \
            --argjson round "$(median_of $how.3)" '
            {rate: $rate, how: $how, iperf_down: $down, iperf_up: $up,
             pull: $pull, push: $push, round: $round,
             share: ([$pull / $down, $push / $up] | min)}' |
            tee -a rows |
            jq -r 'map_values(if type == "number" then . * 100 | round / 100
                else . end) | map(.) | @tsv' |
            awk '{ printf "%-8s %-6s %8s %8s %8s %8s %8s %7s\n",
                $1, $2, $3, $4, $5, $6, $7, $8 }'
    done
done
jq -es --argjson rounds "$rounds" \
    '{benchmark: "wire", rounds: $rounds, rows: .}' rows >"$results"
