#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Training over ssh between machines that are network namespaces, through
# cables that are slow or pulled out.
load ebsp
load jobs
load ../tools/sshd
load ../tools/netns

setup() {
    ebsp_setup
    need_netns
}
teardown() { sshd_teardown; }

# machines N: with an sshd in each; sets $train, the command in the
# coordinator's.
machines() {
    local i hosts=
    need_sshd
    make_netns "$1"
    for ((i = 0; i < $1; i++)); do
        start_sshd --netns "$(netns_pid "$i")" "$(netns_address "$i")"
        hosts+=${hosts:+,}$(netns_address "$i")
    done
    train=(nsenter --net="/proc/$(netns_pid c)/ns/net" --
        "$EBSP" train --hosts "$hosts" --ssh "$sshd_client")
}

reaches() { # FROM ADDRESS PORT
    in_netns "$1" timeout 1 bash -c ": <>/dev/tcp/$2/$3" 2>/dev/null
}

@test "a cable carries, is pulled out and put back" {
    need_sshd
    make_netns 2
    start_sshd --netns "$(netns_pid c)" "$netns_listen"
    reaches 0 "$netns_listen" "$sshd_port"
    reaches 1 "$netns_listen" "$sshd_port"
    netns_down 0
    run ! reaches 0 "$netns_listen" "$sshd_port"
    reaches 1 "$netns_listen" "$sshd_port"
    netns_up 0
    within 10 reaches 0 "$netns_listen" "$sshd_port"
    # Nobody outside sees any of it.
    run ! ip link show to0
}

@test "a cable can be slow" {
    need_sshd
    make_netns 1
    start_sshd --netns "$(netns_pid c)" "$netns_listen"
    netns_rate 0 8mbit # a MiB takes one second
    start=${EPOCHREALTIME/./}
    # shellcheck disable=SC2086 # a command with arguments
    in_netns 0 $sshd_client "$netns_listen" head -c 1048576 /dev/zero >got
    took=$((${EPOCHREALTIME/./} - start))
    [ "$(stat -c %s got)" -eq 1048576 ]
    echo "$took us"
    [ "$took" -ge 800000 ]
    netns_rate 0 none
}

@test "a slow cable costs time, no bit and no worker" {
    machines 2
    blobs_job j.json '.epochs = 2'
    expect 0 train j.json -r quiet
    netns_rate 1 400kbit
    bg log "${train[@]}" j.json -r run
    finish $!
    cat log
    [ "$status" -eq 0 ]
    [ "$(hash_of run)" = "$(hash_of quiet)" ]
    run ! grep '"event":"leave"' run/events.jsonl
}

events() { # RANK EVENT: how many
    grep -c "\"event\":\"$2\".*\"rank\":$1[,}]" run/events.jsonl || true
}
has_events() { [ "$(events "$1" "$2")" -ge "$3" ]; }
have_passed() { [ "$SECONDS" -ge "$1" ]; }

@test "a cable is pulled out for 10 seconds: dropped, the others go on, back" {
    machines 2
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0 |
        .faults = {min_silence: 1, max_silence: 4, rejoin: 60}'
    bg log "${train[@]}" j.json -r run --pace 20
    pid=$!
    wait_for run/events.jsonl '"event":"push"' 40
    within 20 has_events 1 push 10
    back=$((SECONDS + 10))
    netns_down 1
    wait_for run/events.jsonl '"event":"leave".*"rank":1'
    within 20 has_events 0 push $(($(events 0 push) + 10))
    within 20 have_passed "$back"
    [ "$(events 1 join)" -eq 1 ]
    netns_up 1
    within 60 has_events 1 join 2
    within 20 has_events 1 push $(($(events 1 push) + 10))
    kill -TERM "$pid"
    finish "$pid"
    cat log
    [ "$status" -eq 143 ]
    # The same process: it was neither replaced nor forgotten.
    json_true run/summary.json '.per_worker[1].rejoins == 1 and
        .per_worker[1].restarts == 0 and .workers_lost == 0'
}
