#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Those who come to the coordinator's port without being asked: whatever they
# do, the run goes on, and ends as without them.
load ebsp
load jobs
load ../tools/relay

strangers=$EBSP_BUILDDIR/tests/tools/strangers

# long_run: one that ends when it is told to; sets $pid and $port.
long_run() {
    requires command -v ss
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run --pace 5
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    port=$(listening_port "$pid")
    [ -n "$port" ]
}

# goes_on: both workers push again, after all that was before.
goes_on() {
    local from
    from=$(wc -l <run/events.jsonl)
    within 20 has_pushes "$from" 0
    within 20 has_pushes "$from" 1
}
has_pushes() { # FROM RANK
    tail -n "+$1" run/events.jsonl | grep '"event":"push"' |
        grep -q "\"\(worker\|rank\)\":$2,"
}

# ends_well: it can still be told to end, and nobody was lost.
ends_well() {
    kill -TERM "$pid"
    finish "$pid"
    [ "$status" -eq 143 ]
    run ! grep '"event":"leave"' run/events.jsonl
}

# descriptors: how many the coordinator has open.
descriptors() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }

@test "a port scan" {
    long_run
    "$strangers" scan "$port" 300
    goes_on
    ends_well
}

@test "random bytes" {
    long_run
    "$strangers" noise "$port" 50 7 >told
    cat told
    grep -q "closed 50" told
    goes_on
    wait_for run/log "refused"
    ends_well
}

@test "a frame of another protocol version is refused by name" {
    long_run
    # Header of a HELLO; the version is looked at before length and sums.
    printf 'EBSP\377\0\2\0%032d' 0 >old
    "$strangers" send "$port" old
    wait_for run/log "protocol 255"
    goes_on
    ends_well
}

@test "half a handshake, and half a frame" {
    long_run
    printf 'EBSP\1\0\2\0' >half
    "$strangers" send "$port" half &
    "$strangers" idle "$port" 3
    wait $!
    goes_on
    ends_well
}

@test "a worker with another run's key" {
    long_run
    jq -cn --argjson port "$port" --arg key "$(printf '%064d' 7)" '{
        host: "127.0.0.1", port: $port, rank: 0, life: 0, threads: 1,
        key: $key, job_dir: ".", job: "{}", pace_ms: 0, age_ms: 0,
        seed: 1}' >text
    mkfifo stdin
    exec 5<>stdin # it would take the end of its input for that of the run
    { printf 'ebsp-join 1 %d\n' "$(stat -c %s text)" && cat text; } >&5
    run "$EBSP" worker --join-from-stdin <&5
    exec 5>&-
    [ "$status" -ge 5 ]
    [ "$status" -le 6 ]
    wait_for run/log "refused"
    goes_on
    ends_well
}

@test "a thousand connections that say nothing" {
    long_run
    before=$(descriptors)
    bg told "$strangers" idle "$port" 1000
    idle=$!
    within 20 more_descriptors $((before + 50)) # they are there
    for _ in 1 2 3; do
        goes_on
        # 64 may wait for their turn; a few are on their way out.
        now=$(descriptors)
        echo "$now descriptors, $before before"
        [ "$now" -le $((before + 64 + 64)) ]
    done
    kill "$idle"
    within 20 fewer_descriptors "$before"
    goes_on
    ends_well
}
more_descriptors() { [ "$(descriptors)" -ge "$1" ]; }
fewer_descriptors() { [ "$(descriptors)" -le "$1" ]; }

# comes_in STRANGERS...: a worker that is asked for while they are there.
comes_in() {
    long_run
    bg told "$strangers" "$1" "$port" "$2"
    crowd=$!
    wait_for told there
    expect 0 ctl run add-worker local
    within 12 grep -q '"event":"join".*"\(worker\|rank\)":2\b' run/events.jsonl
    kill "$crowd"
    ends_well
}

@test "a worker gets in among a thousand that say nothing" {
    comes_in idle 1000
}

@test "a worker gets in among strangers that come again at once" {
    comes_in flood 3000
}

# recorded ARG...: what worker 0 has said to the coordinator, said again.
recorded() {
    requires command -v setpriv
    start_relay "a b"
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run --pace 5 "${relay_hosts[@]}" "$@"
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    port=$(sed -n 's/^done: target 127.0.0.1 //p' relay/ports | head -n 1)
    within 20 [ -s relay/a.0.up ]
    cp relay/a.0.up said
    "$strangers" send "$port" said
    wait_for run/log "refused"
    # While the rank is free, too: its host has lost the connection.
    relay a refuse
    relay a reset
    wait_for run/events.jsonl '"event":"leave"'
    "$strangers" send "$port" said
    [ "$(grep -c '"event":"join"' run/events.jsonl)" -eq 2 ]
    relay a accept
    goes_on
    kill -TERM "$pid"
    finish "$pid"
    [ "$status" -eq 143 ]
}

@test "a handshake that was recorded is good for nothing" {
    recorded --insecure
}

@test "nor is one in TLS" {
    recorded
}

@test "a run that all of them visit ends with the same parameters" {
    requires command -v ss
    blobs_job j.json '.epochs = 6'
    expect 0 train j.json -r quiet
    bg log ebsp train j.json -r run --pace 1000
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    port=$(listening_port "$pid")
    "$strangers" scan "$port" 50
    "$strangers" noise "$port" 20 11
    bg idle "$strangers" idle "$port" 100
    idle=$!
    finish "$idle" # each is closed
    [ "$status" -eq 0 ]
    expect 0 ctl run pace 0
    finish "$pid"
    cat log
    [ "$status" -eq 0 ]
    [ "$(hash_of run)" = "$(hash_of quiet)" ]
}
