#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# ebsp chaos: runs that are disturbed end like any other, and a check that
# could not fail would be none.
load ebsp
load jobs

setup() {
    ebsp_setup
    # what a sanitizer keeps of freed memory is no growth
    export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1
}

# A worker that is silent for a second is cut off, half a second later lost.
strict=(--set faults.min_silence=1 --set faults.max_silence=1
    --set faults.rejoin=0.5)

# chaos ARG...: a run whose report is in "report"; $status is its exit status.
chaos() {
    status=0
    "$EBSP" chaos -r run --json "$@" >report 2>log || status=$?
    cat log
    jq -r '.checks | to_entries[] | "\(.key): \(.value.verdict), \(.value.text)"' \
        report
}

# hit: "ROLE STATE" of each fault that came in time and was not missed.
hit() {
    jq -r '.faults[] | select(.late == false and .outcome != "missed") |
        "\(.role) \(.state)"' report | sort -u
}

# checked NAME...: these checks were made and hold.
checked() {
    local name
    for name; do json_true report ".checks.$name.verdict == \"ok\""; done
}

# marker_of PID: what all processes of the run that it disturbs have in their
# environment.
marker_of() {
    tr '\0' '\n' <"/proc/$(pgrep -P "$1")/environ" | grep '^EBSP_CHAOS='
}

blobs() { # JQ-FILTER
    blobs_job j.json ".checkpoint_every = 1 | .eval_every = 2 | $1"
}

@test "bsp: a worker may be hit in each of its states" {
    blobs '.epochs = 14 | .workers = 5 | .data.train = 940 |
        .data.test = 30000'
    cat >schedule <<'END'
worker:0 starting kill
worker:1 reading kill
worker:3 starting kill
worker:4 reading kill
worker:2 computing 5 kill
worker:0 held 8 kill
worker:1 pushing 12 kill
worker:2 computing 20 stop 300ms
worker:0 pushing 22 cut
worker:1 held 25 cut
worker:3 computing 25 stop
worker:0 computing 30 cut
worker:2 starting 2 stop 200ms
coordinator training 200 stop 500ms
END
    # Who shares the data has read them before anybody can hit him.
    chaos --schedule schedule j.json -- --pace 10 --slow 2:3 --transport=tcp \
        "${strict[@]}"
    [ "$status" -eq 0 ]
    checked end faults samples processes
    hit >states
    json_true report '[.faults[] | select(.outcome == "recovered")] | length > 10'
    json_true run/summary.json '.workers_lost >= 6'
    # 47 mini-batches: two workers have one in the last round, which takes long;
    # a worker that is stopped meanwhile is still there when the run ends
    rm -rf run
    cat >schedule <<'END'
worker:3 idle kill
worker:4 idle stop 2s
worker:4 stopping kill
END
    chaos --schedule schedule j.json -- --epochs 1 --pace 10 --slow 0:30
    [ "$status" -eq 0 ]
    checked end faults samples processes
    hit >>states
    for state in starting reading held computing pushing idle stopping; do
        grep -qx "worker $state" states
    done
}

@test "bsp: the coordinator may be killed in each of its states" {
    # an evaluation takes a while
    blobs '.epochs = 30 | .workers = 3 | .data.test = 100000'
    cat >schedule <<'END'
coordinator starting 2 kill
coordinator checkpointing 3 kill
coordinator evaluating 3 kill
coordinator training 400 kill
coordinator committing 220 kill
coordinator ending kill
END
    chaos --schedule schedule j.json -- --pace 5
    [ "$status" -eq 0 ]
    checked end faults samples processes
    hit >states
    for state in starting training committing checkpointing evaluating ending; do
        grep -qx "coordinator $state" states
    done
    expect 0 chaos --check run
    # as if nothing had been
    expect 0 train j.json -q -r whole
    [ "$(hash_of run)" = "$(hash_of whole)" ]
}

@test "asp and elasticbsp: faults at random" {
    blobs '.epochs = 15 | .workers = 4'
    for policy in asp elasticbsp; do
        rm -rf run run.whole
        chaos --mtbf 0.3 -s 3 --duration 3 --compare j.json -- --pace 20 \
            -p "$policy" "${strict[@]}"
        [ "$status" -eq 0 ]
        checked end faults samples processes accuracy
        json_true report '.faults | length > 2'
    done
}

@test "what grows and what is left behind: nothing, or it is told" {
    # beside the long run below: a process that does not end with its run
    mkdir beside
    blobs '.epochs = 1000000 | .checkpoint_every = 10 | .workers = 3'
    echo 'worker computing kill' >schedule
    bg beside/log ebsp chaos -r beside/run --schedule schedule j.json -- \
        --max-seconds 4
    pid=$!
    wait_for beside/run/events.jsonl '"event":"push"'
    marker=$(marker_of "$pid")
    bg sleep.log env "$marker" sleep 300
    sleeper=$!
    for i in {1..12}; do
        echo "worker:$((i % 3)) computing $((i * 60)) kill"
        echo "worker:$(((i + 1) % 3)) computing $((i * 60)) cut"
    done >schedule
    # Samples count while all are connected, and 24 of them are needed.
    chaos --schedule schedule j.json -- --pace 20 --max-seconds 20
    checked end samples processes descriptors memory
    json_true report '.faults | length > 8'
    finish "$pid"
    cat beside/log
    [ "$status" -eq 1 ]
    grep -q "^failed  *processes .*killed now: $sleeper\$" beside/log
    ended "$sleeper"
}

@test "a run that loses or doubles a mini-batch is noticed" {
    blobs '.epochs = 2'
    expect 0 train j.json -q -r run
    expect 0 chaos --check run
    cp run/events.jsonl whole
    sed -i '0,/"event":"add"/{/"event":"add"/d}' run/events.jsonl
    expect 1 chaos --check run
    stderr_has "samples: run/events.jsonl:"
    # the second order is the first one once more
    first=$(grep -m 1 '"event":"release"' whole | grep -o '"first":[0-9]*')
    awk -v first="$first" '/"event":"release"/ && ++n == 2 {
        sub(/"first":[0-9]*/, first) } { print }' whole >run/events.jsonl
    expect 1 chaos --check run
    stderr_has "applied in update 1 and in update 1"
    grep -v '"event":"commit","version":1[0-9]' whole >run/events.jsonl
    expect 1 chaos --check run
    stderr_has "samples:"
}

@test "a run that hangs is noticed and killed with all that it has started" {
    blobs '.epochs = 1000000'
    echo 'worker:0 computing 5 stop' >schedule
    bg log ebsp chaos -r run --schedule schedule --patience 3 j.json -- -n 2
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    marker=$(marker_of "$pid")
    bg sleep.log env "$marker" sleep 300
    sleeper=$!
    finish "$pid"
    cat log
    [ "$status" -eq 1 ]
    grep -q '^failed  *end .*there was no event for 3 s' log
    grep -q '^failed  *faults .*1 of 1 were not recovered from' log
    ended "$sleeper"
}

@test "a fault that never came is told" {
    blobs '.epochs = 2'
    printf '%s\n' 'worker computing 2 kill' '' \
        'worker computing 1000000 kill' >schedule
    chaos --schedule schedule j.json
    [ "$status" -eq 1 ]
    json_true report '.ok == false and .checks.end.verdict == "ok"'
    json_true report '.checks.faults.text | test("line 3 of the schedule")'
}

@test "a worse accuracy is noticed" {
    blobs '.epochs = 8 | .optimizer.lr = 1e-9'
    bg log ebsp chaos -r run --mtbf 1000 --compare j.json -- --pace 10
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    # what it is compared with learns something
    blobs '.epochs = 8'
    finish "$pid"
    cat log
    [ "$status" -eq 1 ]
    grep -q '^ok  *samples ' log
    grep -q '^failed  *accuracy .*without faults' log
}

@test "what is no schedule is refused with file, line and column" {
    blobs_job j.json
    printf '# one\nworker:1 computng 5 kill\n' >bad
    expect 3 chaos --schedule bad j.json
    stderr_has 'bad:2:10: expected a state of a worker'
    expect 5 chaos --schedule absent j.json
    expect 2 chaos j.json
    stderr_has "--schedule FILE, --mtbf SECONDS"
    expect 2 chaos --mtbf 0 j.json
    expect 2 chaos --mtbf 1 --actions kill,hug j.json
    expect 2 chaos --check run j.json
    [ ! -e run ]
}

@test "a run that cannot begin says why itself" {
    blobs_job j.json '.batch = 0'
    expect 3 chaos --mtbf 1 -r run j.json
    stderr_has "the run did not begin:"
    stderr_has "batch"
    blobs_job j.json
    expect 2 chaos --mtbf 1 -r run j.json -- --wrokers 3
    stderr_has 'did you mean "--workers"?'
}

@test "Ctrl-C ends the run, which saves, and then chaos by the same signal" {
    blobs '.epochs = 1000000'
    bg log env --default-signal=INT "$EBSP" chaos -r run --mtbf 1000 j.json
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    kill -INT "$pid"
    finish "$pid"
    [ "$status" -eq 130 ]
    json_true run/summary.json '.status == "stopped" and .checkpoint != null'
}

@test "when chaos is killed its run ends, too" {
    blobs '.epochs = 1000000'
    bg log ebsp chaos -r run --mtbf 1000 j.json
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    kill -KILL "$pid"
    within 20 no_leftovers
    json_true run/summary.json '.status == "stopped"'
}
