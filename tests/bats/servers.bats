#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Parameter servers: processes that hold the parameters, a range each.
load ebsp
load jobs
load ../tools/rogue # applied_once

# A network whose ranges travel in many pieces.
wide_job() {
    blobs_job "$1" '.layers[0].units = 40000 | .data.train = 120 |
        .batch = 10 | .epochs = 2 | .eval_every = 0'
}

# server_pid K, worker_pid RANK: of the processes of run/.
server_pid() { sed -n "s/.* server=$1 host=.* pid=\([0-9]*\) .*/\1/p" run/log; }
has_other_server() { [ "$(server_pid 1 | tail -n 1)" != "$1" ]; }
worker_pid() {
    jq -r --argjson rank "$1" \
        'select(.event == "hello" and .rank == $rank) | .pid' \
        run/events.jsonl | tail -n 1
}

@test "however many there are, the bits are those of one process" {
    blobs_job job.json
    expect 0 train job.json -r none -q
    for k in 1 2 3; do
        expect 0 train job.json -r "of$k" -q --servers "$k"
        [ "$(hash_of "of$k")" = "$(hash_of none)" ]
        json_true "of$k/summary.json" "(.servers | length) == $k and
            ([.servers[].share] | add) > 0.999 and .test_accuracy > 0.9 and
            all(.servers[]; .bytes_received > 1000 and .bytes_sent > 1000)"
    done
    json_true none/summary.json '.servers == null'
    expect 0 train job.json -r asp -n 1 -p asp -q
    expect 0 train job.json -r asp2 -n 1 -p asp -q --servers 2 --tls always
    [ "$(hash_of asp)" = "$(hash_of asp2)" ]
}

@test "a checkpoint knows nothing of them: the run goes on with another number" {
    blobs_job job.json '.checkpoint_every = 1 | .checkpoint_keep = 10 |
        .optimizer = {"type": "adam", "lr": 0.01}'
    expect 0 train job.json -r whole -q
    expect 0 train job.json -r cut -q --servers 3
    [ "$(hash_of whole)" = "$(hash_of cut)" ]
    keep=$(find cut -name 'checkpoint-*' | sort | head -n 1)
    find cut -maxdepth 1 -name 'checkpoint-*' ! -path "$keep" -exec rm -r {} +
    expect 0 train --resume cut -q --servers 2
    [ "$(hash_of whole)" = "$(hash_of cut)" ]
    json_true cut/summary.json '.resumed and (.servers | length) == 2'
}

@test "a server that is killed ends the run, which says why" {
    blobs_job job.json '.epochs = 1000 | .checkpoint_every = 1'
    bg log ebsp train job.json -r run --servers 2 --pace 5
    train=$!
    wait_for run/events.jsonl '"event":"checkpoint"'
    kill -KILL "$(server_pid 1)"
    finish "$train"
    [ "$status" -eq 5 ]
    grep -q "parameter server 1 .*killed by signal 9 (Killed); its part" log
    grep -q "to go on: ebsp train --resume run" log
    # the next loss finds the checkpoint that this one has left
    before=$(server_pid 1 | tail -n 1)
    bg log ebsp train --resume run --servers 2 --set checkpoint_every=0
    train=$!
    within 30 has_other_server "$before"
    kill -KILL "$(server_pid 1 | tail -n 1)"
    finish "$train"
    [ "$status" -eq 5 ]
    grep -q "to go on: ebsp train --resume run" log
}

@test "a worker that is killed between pieces is replaced" {
    wide_job job.json
    bg log ebsp train job.json -r run --servers 2 --pace 20 --epochs 8
    train=$!
    wait_for run/events.jsonl '"event":"push","rank":1'
    kill -KILL "$(worker_pid 1)"
    finish "$train"
    [ "$status" -eq 0 ]
    applied_once 960
    json_true run/summary.json '.workers_lost == 1 and .status == "done"'
}

@test "what does not work with them is said" {
    blobs_job job.json
    expect 3 train job.json -r run -q --servers 2 --set compress=fp16
    stderr_has 'parameter servers do not work with "compress"'
    expect 3 train job.json -r run -q --servers 2 --set optimizer.clip_norm=1
    stderr_has '"optimizer.clip_norm"'
    expect 3 train job.json -r run -q --servers 64
    stderr_has "can be divided among 13 at most"
    expect 3 train job.json -r run -q --servers few
    stderr_has 'servers: expected'
    expect 0 train job.json --dry-run -v --servers 3
    stdout_has "server 2    local                 320 B   38.46%"
}

@test "other hosts have one each, unless that is not worth it" {
    blobs_job job.json
    hosts=(--dry-run -v --hosts "127.0.0.2:2,127.0.0.3:2")
    expect 0 train job.json "${hosts[@]}"
    stdout_has "servers     none"
    wide_job job.json
    expect 0 train job.json "${hosts[@]}"
    stdout_has "server 1    127.0.0.3          960.1 kB   50.00%"
    expect 0 train job.json "${hosts[@]}" --set optimizer.clip_norm=1
    stdout_has 'servers     none: "optimizer.clip_norm" needs all of a contribution in'
    run_ebsp train job.json "${hosts[@]:2}" --set optimizer.clip_norm=1 \
        --ssh false -r run
    stderr_has 'note: parameter servers: none: "optimizer.clip_norm" needs all'
    expect 0 train job.json "${hosts[@]}" --set optimizer.clip_norm=1 --servers 0
    stdout_has "servers     none: the coordinator holds the parameters"
    expect 0 train job.json --dry-run -v
    stdout_has "servers     none"
}
