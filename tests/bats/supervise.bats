#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# ebsp train --supervise: a run that goes on by itself.
load ebsp
load jobs

# coordinator PID: the child of a supervising ebsp train.
coordinator() {
    grep -lsx "PPid:[[:space:]]$1" /proc/[0-9]*/status | cut -d/ -f3
}

# has_coordinator PID OTHER: it has a child, which is not OTHER.
has_coordinator() {
    coordinator=$(coordinator "$1") && [ -n "$coordinator" ] &&
        [ "$coordinator" != "$2" ]
}

# sessions RUN N: training has begun N times.
sessions() { [ "$(grep -cs '"event":"start"' "$1/events.jsonl")" -ge "$2" ]; }

# long_job FILE: lasts until somebody ends it.
long_job() {
    blobs_job "$1" '.epochs = 1000000 | .checkpoint_every = 1 | .eval_every = 0'
}

@test "a coordinator that is killed goes on by itself, to the same bits" {
    blobs_job j.json '.epochs = 40 | .checkpoint_every = 0.5 | .eval_every = 0'
    expect 0 train j.json -q -r whole
    bg log ebsp train j.json -q -r run --supervise --pace 4
    pid=$!
    within 20 has_coordinator "$pid" none
    wait_for run/events.jsonl '"event":"checkpoint"'
    kill -KILL "$coordinator"
    finish "$pid"
    [ "$status" -eq 0 ]
    grep -q "killed by signal 9 (Killed): it goes on in 1 s .*restart 1 of 3" log
    sessions run 2
    json_true run/summary.json '.status == "done" and .resumed'
    [ "$(hash_of whole)" = "$(hash_of run)" ]
}

@test "one that is killed before its first checkpoint begins again" {
    blobs_job j.json '.epochs = 100 | .eval_every = 0'
    expect 0 train j.json -q -r whole
    bg log ebsp train j.json -q --supervise --pace 2 # in runs/
    pid=$!
    within 20 has_coordinator "$pid" none
    within 20 eval 'grep -qs "\"event\":\"push\"" runs/*/events.jsonl'
    kill -ABRT "$coordinator"
    finish "$pid"
    [ "$status" -eq 0 ]
    grep -q "warning: checkpoint_every is 0" log
    grep -q "no checkpoint yet: begins from the start" log
    [ "$(find runs -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
    [ "$(hash_of whole)" = "$(hash_of runs/*)" ]
}

@test "signals are passed on, and end it like a run without a supervisor" {
    long_job j.json
    local -A status_of=([INT]=130 [TERM]=143 [HUP]=129)
    for signal in INT TERM HUP; do
        bg log env --default-signal="$signal" "$EBSP" train j.json -q \
            -r "run-$signal" --supervise
        pid=$!
        wait_for "run-$signal/events.jsonl" '"event":"push"'
        kill "-$signal" "$pid"
        finish "$pid"
        [ "$status" -eq "${status_of[$signal]}" ]
        [ "$(grep -c "saving a checkpoint" log)" -eq 1 ]
        json_true "run-$signal/summary.json" '.checkpoint != null'
    done
}

@test "a coordinator that is asked to end is not started again" {
    long_job j.json
    bg log ebsp train j.json -q -r run --supervise
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    kill -TERM "$(coordinator "$pid")"
    finish "$pid"
    [ "$status" -eq 143 ]
    json_true run/summary.json '.status == "stopped"'
}

@test "when the supervisor is killed the coordinator saves and ends" {
    long_job j.json
    bg log ebsp train j.json -q -r run --supervise
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    has_coordinator "$pid" none
    kill -KILL "$pid"
    ended "$coordinator"
    json_true run/summary.json '.status == "stopped" and .checkpoint != null'
    no_leftovers
}

@test "after so many restarts it gives up and says how to go on" {
    long_job j.json
    bg log ebsp train j.json -q -r run --supervise --max-coordinator-restarts 1
    pid=$!
    before=none
    for n in 1 2; do
        within 20 sessions run "$n"
        within 20 has_coordinator "$pid" "$before"
        before=$coordinator
        kill -KILL "$coordinator"
    done
    finish "$pid"
    [ "$status" -eq 5 ]
    grep -q "started again 1 times already .*--resume run" log
    expect 0 train -q --resume run --max-seconds 0.001
}

@test "what is wrong before training begins is told once and not tried again" {
    blobs_job j.json '.batch = 0'
    expect 3 train j.json -q -r run --supervise
    [ "$(grep -c . <<<"$stderr")" -eq 1 ]
    blobs_job j.json
    expect 10 train j.json -q -r other --supervise --target-accuracy 1 \
        --epochs 1 --set optimizer.lr=1e-9
    expect 2 train j.json --supervise --max-coordinator-restarts -1
    expect 0 train j.json --supervise --dry-run
}

@test "a signal while it waits for the next start ends it" {
    long_job j.json
    bg log ebsp train j.json -q -r run --supervise
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    kill -KILL "$(coordinator "$pid")"
    wait_for log "it goes on"
    kill -TERM "$pid"
    finish "$pid"
    [ "$status" -eq 143 ]
}
