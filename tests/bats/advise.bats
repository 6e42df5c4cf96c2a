#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ebsp advise: what tests/unit/test_study.c cannot see.
load ebsp
load jobs

setup() {
    ebsp_setup
    requires command -v jq
    blobs_job j.json
}

# recording MS...: the event stream of a run in which rank i takes the i-th time.
recording() {
    local rank=0 ms k
    for ms in "$@"; do
        for k in {1..50}; do
            printf '{"t":%d,"event":"push","rank":%d,"iteration":%d,"data":0,"compute":0.%03d}\n' \
                "$k" "$rank" "$k" "$ms"
        done
        rank=$((rank + 1))
    done
}

@test "equal machines get bsp, a slow one among four something elastic" {
    recording 100 100 100 100 >equal.jsonl
    expect 0 advise j.json --trace equal.jsonl
    stdout_has "recommended: --policy bsp"
    stdout_has "iterations from equal.jsonl: 100 100 100 100 ms"
    stdout_has "accuracy: nothing is trained here"
    recording 100 100 100 300 >slow.jsonl
    expect 0 advise j.json --trace slow.jsonl --json
    echo "$output" >o.json
    json_true o.json '.workers == 4 and (.spread - 3 | fabs) < 1e-9'
    json_true o.json '.recommended | IN("bsp", "ssp:staleness=3") | not'
    # four iterations of 20 samples each 300 ms
    json_true o.json '.candidates[0] | .policy == "bsp" and
        (.samples_per_second - 4 * 20 / 0.3 | fabs) < 1 and
        .warnings == ["waiting"]'
    json_true o.json '[.candidates[].warnings[]] - (.warnings | keys) == []'
    json_true o.json '.candidates[] |
        select(.policy == "ssp:staleness=3").warnings | index("bound-helps-not")'
}

@test "transfers of a run that computing did not hide are in the profile" {
    recording 100 100 |
        sed 's/}$/,"push":0.06,"pull":0.05,"pull_hidden":0.01}/' >run.jsonl
    expect 0 advise j.json --trace run.jsonl --json
    echo "$output" >o.json
    # 100 ms of computing and 100 ms of transfers
    json_true o.json '.candidates[0].samples_per_second - 2 * 20 / 0.2 |
        fabs < 1'
}

@test "a trace of another job is taken, and that is said" {
    blobs_job j.json '.epochs = 1'
    expect 0 train j.json -q -n 2 -r run
    expect 0 advise j.json --trace run
    [[ $output != *"the run is of another one"* ]]
    expect 0 advise j.json --trace run --set batch=7
    stdout_has "the run is of another one"
}

@test "a trace that is none, or a profile from two sources, is refused" {
    expect 3 advise j.json --trace nowhere
    stderr_has nowhere
    echo '{"t":0,"event":"run"}' >empty.jsonl
    expect 3 advise j.json --trace empty.jsonl
    stderr_has "empty.jsonl: no push in this event stream"
    expect 2 advise j.json --trace empty.jsonl --hosts local
    stderr_has "expected --hosts or --trace, not both"
}

# bats test_tags=heavy
@test "without a recording this machine is measured" {
    expect 0 advise j.json -n 2 --json
    echo "$output" >o.json
    json_true o.json '.source == null and .workers == 2 and
        (.iteration_ms | length == 2 and min > 0) and
        (.not_known | length >= 3)'
    blobs_job j.json '.emulate = {"slow": "0:3"}'
    expect 0 advise j.json -n 2
    stdout_has "what the job emulates: machines are measured as they are"
}
