#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ebsp train, eval, inspect: what a run does and leaves behind.
load ebsp
load jobs

@test "a run trains, evaluates and leaves everything that ebsp-run(5) names" {
    blobs_job j.json
    expect 0 train j.json -r run
    stdout_has "test accuracy"
    stdout_has "run directory run"
    stderr_has "epoch"
    for f in job.json events.jsonl summary.json log; do [ -s "run/$f" ]; done
    json_true run/summary.json '.status == "done" and .samples == 1920 and
        .updates == 48 and .policy == "bsp" and .workers == 2 and .seed == 1'
    json_true run/summary.json '.test_accuracy > 0.9 and .max_staleness == 0'
    json_true run/summary.json '.staleness_histogram == [96]'
    json_true run/summary.json '.bytes_pushed > 0 and .bytes_pulled > 0 and
        .wall_seconds > 0 and .samples_per_second > 0 and
        (.train_loss | type) == "number"'
    [ -s "$(json run/summary.json .checkpoint)/model.safetensors" ]
}

@test "each worker's time is split into parts that sum up to its wall time" {
    blobs_job j.json
    expect 0 train j.json -n 3 -r run -q
    json_true run/summary.json '.per_worker | length == 3 and
        (map(.rank) == [0, 1, 2]) and (map(.iterations) | add == 96)'
    json_true run/summary.json '[.per_worker[].seconds |
        (.wall - (.compute + .data + .push + .wait + .pull + .other)) | fabs
        < 1e-6] | all'
    json_true run/summary.json '[.per_worker[].seconds |
        ([.[]] | min) >= 0 and .compute > 0] | all'
}

@test "--json prints the summary and nothing else on standard output" {
    blobs_job j.json
    expect 0 train j.json -r run --json
    echo "$output" >out.json
    json_true out.json '.status == "done"'
    diff out.json run/summary.json
}

@test "-q says nothing, -v logs" {
    blobs_job j.json
    expect 0 train j.json -r run -q
    [ -z "$output$stderr" ]
    expect 0 train j.json -r run2 -v
    stderr_has "coordinator"
}

@test "the same seed gives the same bits, another one does not" {
    blobs_job j.json
    expect 0 train j.json -r a -q
    expect 0 train j.json -r b -q
    expect 0 train j.json -r c -q -s 2
    [ "$(hash_of a)" = "$(hash_of b)" ]
    [ "$(hash_of a)" != "$(hash_of c)" ]
}

@test "bsp with k workers equals one worker with a mini-batch k times as large" {
    blobs_job j.json
    expect 0 train j.json -r a -q -n 4
    expect 0 train j.json -r b -q -n 1 --set batch=80
    # to rounding: the loss of both, not the bits
    jq -n --slurpfile a a/summary.json --slurpfile b b/summary.json -e '
        ($a[0].test_loss - $b[0].test_loss | fabs) < 1e-4 and
        $a[0].updates == $b[0].updates'
}

@test "asp with one worker equals bsp with one worker, bit for bit" {
    blobs_job j.json
    expect 0 train j.json -r a -q -n 1 -p asp
    expect 0 train j.json -r b -q -n 1 -p bsp
    [ "$(hash_of a)" = "$(hash_of b)" ]
}

@test "asp uses every sample once and reports its staleness" {
    blobs_job j.json
    expect 0 train j.json -r run -q -n 4 -p asp
    json_true run/summary.json '.samples == 1920 and .updates == 96 and
        (.staleness_histogram | add) == 96'
}

@test "the event stream holds each update, in order" {
    blobs_job j.json
    expect 0 train j.json -r run -q
    jq -s -e '[.[] | select(.event == "commit") | .version] == [range(1; 49)]' \
        run/events.jsonl
    jq -s -e '([.[] | select(.event == "push")] | length) == 96 and
        (map(.t) | . == sort) and .[0].event == "run"' run/events.jsonl
}

@test "--set, flags and defaults are recorded with their origin" {
    blobs_job j.json
    expect 0 train j.json -r run -q --set optimizer.lr=0.05 -n 1
    json_true run/job.json '.optimizer.lr == 0.05 and .workers == 1 and
        .origin["optimizer.lr"] == "--set optimizer.lr=0.05" and
        .origin.workers == "--workers=1" and .origin.seed == "default"'
}

@test "--dry-run prints the plan and starts nothing" {
    blobs_job j.json
    expect 0 train j.json --dry-run
    stdout_has "fc1"
    stdout_has "195 parameters"
    stdout_has "FLOP"
    stdout_has "bsp"
    [ ! -e runs ]
}

@test "the target accuracy ends a run early; missing it is exit status 10" {
    blobs_job j.json
    expect 0 train j.json -r a -q --target-accuracy 0.5 --epochs 50 \
        --pace 5 # evaluating takes time, too
    json_true a/summary.json '.stopped == "target accuracy reached" and
        .samples < 24000'
    expect 10 train j.json -r b -q --target-accuracy 1.0 --epochs 1 \
        --set optimizer.lr=1e-6
    stderr_has "was not reached"
}

@test "--max-seconds ends a run early with a checkpoint" {
    blobs_job j.json
    expect 0 train j.json -r run -q --max-seconds 1 --epochs 10000000 \
        --set eval_every=0
    json_true run/summary.json '.stopped == "time is up" and
        .wall_seconds < 6 and .checkpoint != null'
}

@test "eval agrees with the run, from run, checkpoint and model file" {
    blobs_job j.json
    expect 0 train j.json -r run -q
    want=$(json run/summary.json .test_accuracy)
    c=$(json run/summary.json .checkpoint)
    for path in run "$c" "$c/model.safetensors"; do
        expect 0 eval "$path" --json
        jq -e --argjson want "$want" \
            '.test_accuracy - $want | fabs < 1e-6' <<<"$output"
    done
    expect 3 eval j.json
    expect 5 eval nothing
}

@test "inspect shows layers of a job and tensors of a checkpoint" {
    blobs_job j.json
    expect 0 inspect j.json
    stdout_has "fc2"
    expect 0 train j.json -r run -q
    expect 0 inspect run
    stdout_has "fc1.weight"
    stdout_has "16x8"
}

@test "the model file has the header that PyTorch users read" {
    blobs_job j.json
    expect 0 train j.json -r run -q
    f=$(json run/summary.json .checkpoint)/model.safetensors
    n=$(od -An -t u8 -N 8 "$f" | tr -d ' ')
    dd if="$f" bs=1 skip=8 count="$n" status=none >header.json
    json_true header.json '.["fc1.weight"].dtype == "F32" and
        .["fc1.weight"].shape == [16, 8] and .["fc2.bias"].shape == [3]'
    last=$(json header.json 'del(.__metadata__) | [.[].data_offsets[1]] | max')
    [ "$(stat -c %s "$f")" -eq $((8 + n + last)) ]
    [ "$last" -eq $((195 * 4)) ]
}

@test "static assignment gives each worker its own shard" {
    blobs_job j.json '.assignment = {"type": "iid"}'
    expect 0 train j.json -r run -q
    jq -s -e '[.[] | select(.event == "release" and .rank == 1) | .shard] |
        unique == [1]' run/events.jsonl
    blobs_job d.json '.assignment = {"type": "dirichlet", "alpha": 0.3} |
        .policy = "asp"'
    expect 0 train d.json -r drun -q
    json_true drun/summary.json '.samples == 1920'
}

@test "a run directory that is in use is refused, an unwritable one too" {
    blobs_job j.json
    mkdir full
    touch full/x
    expect 5 train j.json -r full
    stderr_has "not empty"
    expect 5 train j.json -r /proc/nothing
    stderr_has "/proc/nothing"
}

@test "a name and a folder of any bytes give valid JSON" {
    blobs_job j.json '.name = "Gr\u00f6\u00dfe \"\u001b[31m\""'
    dir=$(printf 'run\377')
    expect 0 train j.json -r "$dir" -q
    json_true "$dir/summary.json" '.checkpoint |
        startswith("run\\xff/checkpoint-")'
    [ "$(json "$dir/summary.json" .name)" = \
        "$(jq -r 'select(.event == "run") | .name' "$dir/events.jsonl")" ]
}

@test "a terminal of 80 columns shows epoch, ETA, loss and staleness" {
    requires command -v script
    blobs_job j.json '.epochs = 1000000'
    TERM=xterm script -qec "stty cols 80; '$EBSP' train j.json -r run \
        --set eval_every=500000 --max-seconds 1" seen </dev/null >/dev/null
    tr '\r' '\n' <seen | grep "\[K" | sed 's/^.*\[K//' >frames
    grep -qE '^epoch .*ETA .*loss .*/s  staleness [0-9.]+' frames
    [ "$(awk '/^epoch.*ETA/ && length > 79' frames | wc -l)" -eq 0 ]
}

@test "--insecure without anybody on another machine is noted" {
    blobs_job j.json
    expect 0 train j.json -r run -q --insecure
    stderr_has 'note: --insecure changes nothing'
}

@test "too few open files for the workers: told before anything is started" {
    blobs_job j.json
    run --separate-stderr bash -c 'ulimit -n 64; "$@"' - \
        "$EBSP" train j.json -r run -n 24
    [ "$status" -eq 5 ]
    stderr_has '24 workers: 152 open files are needed, the limit is 64'
    stderr_has 'ulimit -n 152'
    [ ! -e run ]
    # So many are enough.
    run --separate-stderr bash -c 'ulimit -n 152; "$@"' - \
        "$EBSP" train j.json -r enough -n 24 -q
    [ "$status" -eq 0 ]
    run ! grep '"event":"lost"' enough/events.jsonl
    # The soft limit is raised.
    run --separate-stderr bash -c 'ulimit -Sn 30; "$@"' - \
        "$EBSP" train j.json -r run -n 2 -q
    [ "$status" -eq 0 ]
}
