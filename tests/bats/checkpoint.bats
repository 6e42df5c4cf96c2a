#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Checkpoints against everything: kill -9 at any time, damage, full disks.
load ebsp
load jobs

# checkpoints RUN: paths, oldest first.
checkpoints() { find "$1" -maxdepth 1 -name 'checkpoint-*' | sort; }

# flip FILE: one bit near its end.
flip() {
    local at=$(($(stat -c %s "$1") - 7)) byte
    byte=$(od -An -tu1 -j "$at" -N 1 "$1")
    # shellcheck disable=SC2059 # the format is the byte
    printf "$(printf '\\%03o' $((byte ^ 16)))" |
        dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# wide_job FILE [JQ-FILTER]: 480 kB of parameters, and as much momentum.
wide_job() { blobs_job "$1" ".layers[0].units = 10000 | ${2:-.}"; }

tried_twice() { [ "$(grep -c checkpoint_failed run/events.jsonl)" -ge 2 ]; }

# no_drafts RUN: nothing hidden or temporary is left.
no_drafts() {
    [ -z "$(find "$1" -name '.checkpoint*' -o -name '*.tmp-*')" ] ||
        { find "$1" && return 1; }
}

@test "killed again and again at any moment, bsp reaches the same bits" {
    blobs_job j.json '.epochs = 60 | .checkpoint_every = 0.2 | .eval_every = 0 |
        .optimizer = {"type": "adam", "lr": 0.01} |
        .schedule = {"type": "cosine"}'
    expect 0 train j.json -q -r whole
    seed=${EBSP_TEST_SEED:-1}
    echo "EBSP_TEST_SEED=$seed"
    RANDOM=$seed
    kills=0
    while ((kills < 10)); do
        how=(j.json -r run)
        if [ -e run/job.json ]; then how=(--resume run); else rm -rf run; fi
        bg log ebsp train "${how[@]}" -q --pace 3
        pid=$!
        # up to 0.6 s: in the start, in the training, in a checkpoint
        sleep "0.$(printf %03d $((RANDOM % 600)))"
        kill -KILL "$pid" || break # it has ended
        wait "$pid" || true
        if grep -i "error\|damaged" log; then false; fi
        kills=$((kills + 1))
    done
    ((kills > 2))
    if ! grep -qs '"status": "done"' run/summary.json; then
        expect 0 train --resume run -q
    fi
    echo "$kills kills"
    [ "$(hash_of whole)" = "$(hash_of run)" ]
    json_true run/summary.json '.samples == 60 * 480 and
        .pushes == 60 * 24 and (.staleness_histogram | add) == 60 * 24'
    no_drafts run
}

@test "a damaged checkpoint is passed over, with a warning that says what" {
    blobs_job j.json '.checkpoint_keep = 3'
    expect 0 train j.json -q -r run --epochs 1
    for epochs in 2 3; do
        expect 0 train -q --resume run --epochs "$epochs"
    done
    cp -r run whole
    mapfile -t c < <(checkpoints run)
    flip "${c[2]}/model.safetensors"
    rm "${c[1]}/manifest.json"
    expect 0 eval run
    stderr_has "damaged checkpoint ${c[2]}/model.safetensors: checksum"
    stderr_has "damaged checkpoint ${c[1]}/manifest.json: No such file"
    stdout_has "${c[0]}/model.safetensors"
    expect 0 inspect run
    stdout_has "${c[0]}/model.safetensors"
    for cmd in eval inspect; do
        expect 3 "$cmd" "${c[2]}"
        stderr_has "model.safetensors: checksum"
        expect 3 "$cmd" "${c[2]}/" # its name is not at the end
    done
    for run in run whole; do
        expect 0 train -q --resume "$run" --epochs 5
    done
    [ "$(hash_of run)" = "$(hash_of whole)" ]
    # those that were passed over are gone
    mapfile -t c < <(checkpoints run)
    [ "${#c[@]}" -eq 2 ]
    for path in "${c[@]}"; do
        expect 0 eval "$path"
    done
    rm -r "${c[0]}"
    flip "${c[1]}/state.json"
    expect 3 train -q --resume run --epochs 9
    stderr_has "no whole checkpoint among 1"
}

@test "what a dead process left is removed when the run goes on" {
    blobs_job j.json '.checkpoint_every = 1'
    expect 0 train j.json -q -r run --epochs 1
    mkdir run/.checkpoint-000000000099.new run/.checkpoint-000000000001.old
    touch run/.checkpoint-000000000099.new/model.safetensors run/job.json.tmp-77
    printf '{"t":1,"eve' >>run/events.jsonl
    expect 0 train --resume run -q --epochs 2
    stderr_has ".checkpoint-000000000099.new: unfinished"
    stderr_has "job.json.tmp-77: unfinished"
    no_drafts run
    jq -e . run/events.jsonl >/dev/null
}

@test "killed after the last checkpoint it still gets its end" {
    blobs_job j.json
    expect 0 train j.json -q -r run
    cp -r run whole
    rm run/summary.json
    expect 0 train -q --resume run
    json_true run/summary.json '.status == "done" and .samples == 1920 and
        .test_accuracy != null'
    [ "$(hash_of run)" = "$(hash_of whole)" ]
    expect 2 train -q --resume run
    stderr_has "all 4 epochs are done"
}

@test "a full disk costs a warning, not the run" {
    requires command -v prlimit
    wide_job j.json '.epochs = 100000 | .checkpoint_every = 0.1 |
        .eval_every = 0'
    (
        ulimit -S -f 300 # kB: less than the model
        bg log ebsp train j.json -q -r run --pace 20
        echo "$!" >pid
    )
    pid=$(<pid)
    pids+=("$pid")
    wait_for run/events.jsonl '"event":"checkpoint_failed"'
    no_drafts run # nor is its room taken away
    within 20 tried_twice
    [ -z "$(checkpoints run)" ]
    prlimit --pid "$pid" --fsize=unlimited
    wait_for run/events.jsonl '"event":"checkpoint",'
    kill -TERM "$pid"
    ended "$pid"
    [ "$(grep -c "File too large.* free; training goes on, next try in" log)" -eq 1 ]
    json_true run/summary.json '.failed_checkpoints >= 2 and .checkpoint != null
        and .status == "stopped" and (has("failure") | not)'
    jq -e . run/events.jsonl >/dev/null # and no event is lost
    expect 0 eval run
}

@test "the last checkpoint cannot be written: exit 5 and the newest whole one" {
    wide_job j.json
    expect 0 train j.json -q -r run --epochs 1
    newest=$(checkpoints run)
    ulimit -S -f 300
    expect 5 train --resume run -q --epochs 2
    stderr_has "File too large"
    stderr_has "the newest whole checkpoint is $newest"
    json_true run/summary.json '.status == "failed" and .failed_checkpoints == 1'
    expect 5 train j.json -q -r other --epochs 1
    stderr_has "there is no whole checkpoint"
    ulimit -S -f unlimited
    expect 0 eval run
    expect 0 train --resume run -q --epochs 2
    json_true run/summary.json '.failed_checkpoints == 0'
}

@test "a disk that is really full" {
    requires unshare -m true
    wide_job j.json '.epochs = 100000 | .checkpoint_every = 0.1 |
        .eval_every = 0'
    mkdir disk
    export -f wait_for within
    # a checkpoint needs 1 MB; a file of the user has left less
    # shellcheck disable=SC2016 # for the shell that sees the disk
    run unshare -m bash -ec '
        mount -t tmpfs -o size=2m none disk || exit 77
        head -c 1200k /dev/zero >disk/theirs
        "$EBSP" train j.json -q -r disk/run --pace 20 2>log &
        wait_for log "No space left on device"
        rm disk/theirs
        wait_for disk/run/events.jsonl "\"event\":\"checkpoint\","
        kill $!
        wait $! || status=$?
        cp disk/run/summary.json disk/run/events.jsonl .
        exit "$status"'
    [ "$status" -ne 77 ] || skip "no tmpfs can be mounted here"
    [ "$status" -eq 143 ] || { cat log && return 1; }
    grep -q "No space left on device; .* free; training goes on" log
    json_true summary.json '.failed_checkpoints >= 1 and .checkpoint != null'
    jq -e . events.jsonl >/dev/null
}

@test "a run goes on with another number of workers" {
    blobs_job j.json '.checkpoint_every = 1'
    expect 0 train j.json -q -r run --epochs 2
    for n in 3 1; do
        expect 0 train -q --resume run -n "$n" --epochs $((7 - n))
        json_true run/summary.json ".workers == $n and
            .samples == 480 * $((7 - n))"
    done
}

@test "the shards of a static assignment are for as many workers" {
    blobs_job j.json '.checkpoint_every = 1 | .assignment = {"type": "iid"}'
    expect 0 train j.json -q -r run --epochs 1
    expect 2 train -q --resume run -n 3 --epochs 2
    stderr_has "go on with -n 2"
    expect 0 train -q --resume run --epochs 2
}

@test "sums go on, too" {
    blobs_job j.json '.policy = "asp" | .checkpoint_every = 0.5'
    expect 0 train j.json -q -r run --epochs 2
    first=$(json run/summary.json .bytes_pushed)
    best=$(jq '.best_accuracy // 0' "$(checkpoints run | tail -n 1)/state.json")
    expect 0 train -q --resume run --epochs 4 --set optimizer.lr=1e-9
    json_true run/summary.json ".pushes == 96 and .updates == 96 and
        (.staleness_histogram | add) == 96 and .bytes_pushed > $first and
        .best_accuracy >= $best"
}

@test "--resume of what is no run says so" {
    expect 2 train --resume ''
    stderr_has 'expected a run directory, got ""'
    expect 3 train --resume nothing
    stderr_has "nothing: no such run directory"
    touch file
    expect 3 train --resume file
    stderr_has "file: not a folder"
    mkdir empty
    expect 3 train --resume empty
    stderr_has "there is no job.json in it"
}
