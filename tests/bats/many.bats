#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# More workers than anybody has processors.
load ebsp
load jobs
load ../tools/relay

many() { # ARG...: 64 workers; all there in time, none lost
    blobs_job j.json '.workers = 64 | .data.train = 1280 | .batch = 10 |
        .epochs = 2 | .optimizer.lr = 0.01'
    rm -rf run
    "$@"
    json_true run/summary.json '.status == "done" and .samples == 2560'
    json_true run/summary.json '.per_worker | length == 64'
    run ! grep -E '"event":"(leave|lost)"' run/events.jsonl
    jq -r 'select(.event == "start") | .t' run/events.jsonl
    jq -se --argjson limit $((10 * ${EBSP_TEST_PATIENCE:-1})) \
        'map(select(.event == "start"))[0].t < $limit' run/events.jsonl
}

@test "64 workers start in less than 10 seconds, none fails" {
    many expect 0 train j.json -r run
    many expect 0 train j.json -r run -p asp
}

@test "64 hosts, 16 at a time, with TLS" {
    requires command -v setpriv
    # shellcheck disable=SC2046 # one word each
    start_relay "$(printf 'n%d ' {0..63})"
    many expect 0 train j.json -r run "${relay_hosts[@]}"
}
