#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Checkpoints, interruption and --resume.
load ebsp
load jobs

@test "a resumed bsp run reaches the bits of the uninterrupted one" {
    blobs_job j.json '.checkpoint_every = 1 | .checkpoint_keep = 10 |
        .schedule = {"type": "cosine"}'
    expect 0 train j.json -r whole -q
    expect 0 train j.json -r cut -q
    # as if it had been killed in the second epoch
    keep=$(find cut -name 'checkpoint-*' | sort | head -n 1)
    find cut -maxdepth 1 -name 'checkpoint-*' ! -path "$keep" -exec rm -r {} +
    expect 0 train --resume cut -q
    [ "$(hash_of whole)" = "$(hash_of cut)" ]
    json_true cut/summary.json '.resumed and .samples == 1920'
}

@test "adam's state is resumed too, in the middle of an epoch" {
    blobs_job j.json '.checkpoint_every = 0.5 | .checkpoint_keep = 10 |
        .optimizer = {"type": "adam", "lr": 0.01}'
    expect 0 train j.json -r whole -q
    expect 0 train j.json -r cut -q
    keep=$(find cut -name 'checkpoint-*' | sort | head -n 1)
    find cut -maxdepth 1 -name 'checkpoint-*' ! -path "$keep" -exec rm -r {} +
    expect 0 train --resume cut -q
    [ "$(hash_of whole)" = "$(hash_of cut)" ]
}

@test "SIGINT saves a checkpoint, says so and ends by the signal; resume goes on" {
    blobs_job j.json '.epochs = 2000 | .eval_every = 0'
    # a background job of a shell without job control ignores SIGINT
    bg log env --default-signal=INT "$EBSP" train j.json -r run --set epochs=100000
    pid=$!
    wait_for run/events.jsonl '"event":"commit"'
    kill -INT "$pid"
    finish "$pid"
    [ "$status" -eq 130 ]
    grep -q "saving a checkpoint" log
    json_true run/summary.json '.status == "stopped" and
        .stopped == "interrupted" and .checkpoint != null and .samples > 0'
    done_before=$(json run/summary.json .samples)
    expect 0 train --resume run -q --max-seconds 3600 \
        --set epochs=$((done_before / 480 + 2))
    json_true run/summary.json '.status == "done"'
    [ "$(json run/summary.json .samples)" -gt "$done_before" ]
}

@test "SIGTERM does the same" {
    blobs_job j.json '.epochs = 100000 | .eval_every = 0'
    bg log ebsp train j.json -r run
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    kill -TERM "$pid"
    finish "$pid"
    [ "$status" -eq 143 ]
    json_true run/summary.json '.checkpoint != null'
}

@test "only the newest checkpoints are kept, leftovers are no checkpoints" {
    blobs_job j.json '.checkpoint_every = 0.5 | .checkpoint_keep = 2'
    expect 0 train j.json -r run -q
    [ "$(find run -maxdepth 1 -name 'checkpoint-*' | wc -l)" -eq 2 ]
    [ "$(find run -name '*.tmp*' -o -name '.checkpoint*' | wc -l)" -eq 0 ]
    mkdir run/checkpoint-999999999999
    expect 0 eval run
}

@test "resuming what is done, absent or of another seed is refused" {
    blobs_job j.json
    expect 0 train j.json -r run -q
    expect 2 train --resume run
    stderr_has "epochs"
    expect 3 train --resume nothing
    mkdir empty
    cp run/job.json empty/
    expect 3 train --resume empty
    stderr_has "no events.jsonl"
    expect 3 train --resume run --set epochs=9 -s 7
    stderr_has "seed"
    expect 2 train j.json --resume run
}

@test "a damaged checkpoint is refused by name" {
    blobs_job j.json
    expect 0 train j.json -r run -q
    f=$(json run/summary.json .checkpoint)/model.safetensors
    head -c 100 "$f" >short
    cp short "$f"
    expect 3 train --resume run --epochs 9
    stderr_has "model.safetensors"
}

@test "a resume that is refused leaves the run as it was" {
    blobs_job j.json
    expect 0 train j.json -r run -q
    cp -r run before
    expect 3 train --resume run --epochs 9 -s 7
    expect 3 train --resume run --epochs 9 --set 'layers[0].units=17'
    diff -r before run
    expect 0 train --resume run --epochs 9 -q
}

@test "a checkpoint of other data or with flipped bits is refused" {
    blobs_job j.json
    expect 0 train j.json -r run -q
    expect 3 train --resume run --epochs 9 --set data.spread=0.7
    stderr_has "data_hash: the data are not those of the checkpoint"
    f=$(json run/summary.json .checkpoint)/model.safetensors
    printf 'A' | dd of="$f" bs=1 seek=$(($(stat -c %s "$f") - 7)) \
        conv=notrunc status=none
    expect 3 train --resume run --epochs 9
    stderr_has "model.safetensors: checksum"
}

@test "a run that is at work cannot be resumed a second time" {
    blobs_job j.json '.eval_every = 0'
    expect 0 train j.json -r run -q
    bg log ebsp train --resume run --epochs 1000000
    pid=$!
    wait_for log "training: 2 workers"
    expect 5 train --resume run --epochs 9
    stderr_has "another ebsp train is at work"
    kill -TERM "$pid"
    finish "$pid"
    [ "$status" -eq 143 ]
}

@test "a folder with a checkpoint's name and nothing in it is replaced" {
    blobs_job j.json '.checkpoint_every = 1'
    expect 0 train j.json -r run -q --epochs 1
    last=run/checkpoint-000000000024
    mkdir "$last"
    expect 0 train --resume run -q --epochs 2
    [ -s "$last/state.json" ]
}
