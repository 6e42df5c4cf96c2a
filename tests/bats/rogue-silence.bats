#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Workers that say nothing, hear nothing, take for ever or go away, and what a
# job may want to be done about it.  See rogue.bats for those who say too much.
load ebsp
load jobs
load ../tools/rogue

setup() {
    ebsp_setup
    blobs_job job.json
}

@test "connections closed at each state: time to come back, then lost" {
    local i deeds='close@joined close@ready close@ordered close@pushed half-close'
    goes_on bsp "$deeds reset@ordered reset@pushed" \
        --set faults.rejoin=0.3 --pace 30
    for i in 1 2 3 4; do lost "$i" 'it closed its connection'; done
    lost 5 'connection lost in the middle of a message'
    for i in 6 7; do lost "$i" 'connection lost: '; done
}

@test "silence at each state: cut off, time to come back, killed" {
    local i
    # This one takes the ten seconds that there are to say goodbye.
    bg log ebsp train job.json -r last --hosts local,127.0.0.2 \
        --ssh "$rogue_program silence@stop"
    goes_on bsp 'silence@joined silence@ready silence@ordered silence@pushed half-silence' \
        --set faults.max_silence=2.5 --set faults.rejoin=1 --pace 25
    for i in {1..5}; do
        lost "$i" 'no sign of life for [2-9].* s (limit 2.5 s'
    done
    finish $!
    [ "$status" -eq 0 ]
    grep -q 'worker 1 did not say goodbye' log
    json_true last/summary.json '.workers_lost == 0'
}

@test "an iteration that does not end: slow bytes, ears shut" {
    goes_on asp 'slow deaf@ordered' --set faults.max_iteration=1.5 "${own[@]}"
    lost 1 'iteration 2 has taken .* s so far (limit 1.5 s'
    lost 2 'iteration 2 has taken .* s so far (limit 1.5 s'
}

@test "who reads nothing while parameters wait for it" {
    blobs_job job.json '.layers[0].units = 1500 | .epochs = 1 |
        .layers |= .[:2] + [{"type": "dense", "name": "big", "units": 1500}] + .[2:]'
    total=480 goes_on asp 'deaf@ready' --servers 0 --set faults.max_silence=2.5 \
        --set faults.rejoin=1 --set optimizer.lr=0.001 --pace 120
    lost 1 'it has read nothing for [2-9].* s, [0-9]* bytes wait'
}

@test "the end comes while one is away: told, and not waited for" {
    # bsp does not end before it has had its second order
    goes_on bsp 'close@ordered'
    lost 1 'it closed its connection'
    [[ $stderr == *"it has not come back by the end"* ]]
    json_true run/summary.json '.wall_seconds < 5 and .workers_lost == 1'
}

@test "abort: the exit status is that of the first loss" {
    local deed
    for deed in garbage@ordered:6 exit:7@ordered:7 exit:0@pushed:8 \
        error:4@ordered:4 short:6 silence@ordered:8 close@pushed:8; do
        rogue_train "${deed%:*} honest" --on-worker-loss abort \
            --set faults.max_silence=2.5 --set faults.rejoin=1 --pace 20 \
            --set epochs=100
        echo "$deed: $status $stderr"
        [ "$status" -eq "${deed##*:}" ]
        [ "$(grep -c 'worker 1 (' <<<"$stderr")" -eq 1 ]
        json_true run/summary.json '.status == "failed" and
            .failure.exit_status == '"${deed##*:}"
    done
}

@test "fewer than --min-workers: exit status 8, with the first reason" {
    rogue_train 'short,n=3 exit:6@ordered,n=9' --on-worker-loss drop \
        --min-workers 2
    [ "$status" -eq 8 ]
    stderr_has '1 worker left, at least 2 wanted; the first one was lost because: worker 1 (rogue): push of'
}
