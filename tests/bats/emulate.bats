#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Slow workers and slow links that a live run emulates.
# shellcheck disable=SC2016 # jq has variables of its own
load ebsp
load jobs

# factors RUN: what each iteration of each worker was multiplied by.
factors() {
    jq -r 'select(.event == "push") |
        "\(.rank) \(.iteration) \(.factor // 1)"' "$1/events.jsonl" |
        sort -u
}

# killed RANK N: its process is, once it has done so many iterations.
killed() {
    wait_for run/events.jsonl "\"event\":\"push\",\"rank\":$1,\"iteration\":$2,"
    kill -KILL "$(jq -s "[.[] | select(.event == \"hello\" and .rank == $1)][0].pid" \
        run/events.jsonl)"
}

# cut_off RUN RANK: its connection, as nobody but ebsp chaos asks for.
cut_off() {
    python3 - "$@" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1] + "/ctl")
s.sendall(b'{"do": "cut", "rank": %d}\n' % int(sys.argv[2]))
assert b'true' in s.recv(4096)
EOF
}

# bats test_tags=heavy
@test "factors are written down, and a worker started again goes on with them" {
    blobs_job j.json '.epochs = 2 | .emulate = {pace: 10, slow:
        "0:lognormal(1.5,0.4);1:trace(of-1)"}'
    echo 1 2.5 1.25 3 >of-1
    expect 0 train j.json -r first -q
    rm of-1
    json_true first/job.json '.emulate == {pace: 10, slow:
        "0:lognormal(1.5,0.4);1:steps(1,2.5,1.25,3)"}'
    [ "$(factors first | grep -c '^1 [26] 2.5$')" -eq 2 ]
    [ "$(factors first | grep '^0 ' | cut -d ' ' -f 3 | sort -u | wc -l)" -gt 15 ]
    # It lasts until it is stopped, and is slow until then: who kills looks on
    # from outside, and a worker takes its time to start.
    bg log ebsp train first/job.json -r run -q --epochs 1000000 --pace 200
    pid=$!
    killed 0 5
    wait_for run/events.jsonl '"event":"ready","rank":0,"life":1'
    expect 0 ctl run pace 10
    wait_for run/events.jsonl '"event":"push","rank":0,"iteration":[2-9][0-9],'
    expect 0 ctl run stop --wait
    finish "$pid"
    [ "$status" -eq 0 ] || { cat log && return 1; }
    # its second life has iterations that the first run had, too
    jq -s -e 'map(select(.rank == 0)) | .[map(.life == 1) | index(true):] |
        map(select(.event == "push")) | first.iteration < 20' run/events.jsonl
    # some mini-batches are somebody else's now; nothing has two factors
    [ -z "$(cat <(factors first) <(factors run) | sort -u |
        cut -d ' ' -f 1,2 | uniq -d)" ]
    # what it takes is what it would on such a machine
    jq -s -e 'all(.[] | select(.event == "push");
        .data + .compute >= 0.0099 * (.factor // 1))' first/events.jsonl
}

# bats test_tags=heavy
@test "a link takes its time; everything can be changed while a run is at work" {
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run -q -p asp --pace 5 --net 1:delay=20,rate=50mbit
    pid=$!
    wait_for run/events.jsonl '"event":"push","rank":1,"iteration":5,'
    expect 0 ctl run slow 0:4
    wait_for run/events.jsonl '"event":"push","rank":0,.*"factor":4'
    expect 0 ctl run net 'all:none'
    expect 0 ctl run pace 1
    # it comes back as what it was told last
    kill -KILL "$(jq -s '[.[] | select(.event == "hello" and .rank == 0)][0].pid' \
        run/events.jsonl)"
    wait_for run/events.jsonl '"event":"ready","rank":0,"life":1'
    expect 2 ctl run slow 99:2
    stderr_has "no worker 99"
    expect 2 ctl run slow 0:0.5
    stderr_has "from 1 to"
    expect 2 ctl run net 0:jitter=3
    expect 2 ctl run pace -- -1
    expect 0 ctl run stop --wait
    finish "$pid"
    [ "$status" -eq 0 ] || { cat log && return 1; }
    jq -s -e '(map(.event == "emulate") | index(true)) as $told |
        (map(select(.event == "push" and .rank == 1)) | .[1:5] |
            all(.push + .pull + .push_hidden + .pull_hidden >= 0.039)) and
        (.[:$told] | all(.factor == null)) and
        (map(select(.event == "emulate") | del(.t, .event)) ==
            [{slow: "0:4"}, {net: "all:none"}, {pace: "1"}]) and
        ([.[] | select(.event == "push" and .rank == 0)] | last.factor == 4)' \
        run/events.jsonl
    expect 0 replay run
    stdout_has "identical"
}

# bats test_tags=heavy
@test "who was away when something changed is told when it comes back" {
    requires command -v python3
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run -q -p asp --pace 5
    pid=$!
    wait_for run/events.jsonl '"event":"push","rank":1,"iteration":5,'
    worker=$(jq -s '[.[] | select(.event == "hello" and .rank == 1)][0].pid' \
        run/events.jsonl)
    kill -STOP "$worker"
    cut_off run 1
    wait_for run/events.jsonl '"event":"leave","rank":1,'
    expect 0 ctl run slow 1:4
    kill -CONT "$worker"
    wait_for run/events.jsonl '"event":"push","rank":1,.*"factor":4'
    expect 0 ctl run stop --wait
    finish "$pid"
    [ "$status" -eq 0 ] || { cat log && return 1; }
}

# bats test_tags=heavy
@test "options say what the job says, or replace it" {
    blobs_job j.json '.emulate = {slow: "all:2", net: "0:delay=1"}'
    expect 2 train j.json --net 0
    stderr_has 'RANK:delay=MS,rate=MBIT,loss=PERCENT, got "0"'
    expect 2 train j.json --slow '0:lognormal(1)'
    stderr_has 'wrong number of arguments'
    expect 2 train j.json --net 2:delay=1
    stderr_has '--net: no worker 2 among 2'
    expect 2 train j.json --slow '0:trace(nowhere)'
    stderr_has 'nowhere'
    expect 3 train j.json --set emulate.slow=0:0
    stderr_has 'emulate.slow'
    blobs_job k.json '.emulate = {slow: "1:uniform(2,1)"}'
    expect 3 train k.json
    stderr_has 'k.json:'
    stderr_has 'LOW <= HIGH'
    expect 0 train j.json -r run -q --epochs 1 --slow 0:1.5 --slow 1:3
    json_true run/job.json '.emulate == {slow: "0:1.5;1:3", net: "0:delay=1"} and
        .origin["emulate.slow"] == "--slow=0:1.5 --slow=1:3"'
}
