#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Wrong input and broken workers: the exit status and the words.
load ebsp
load jobs

refused() { # JQ-FILTER TEXT...: exit 3, says each TEXT, starts nothing
    blobs_job bad.json "$1"
    shift
    expect 3 train bad.json -r run
    for text; do stderr_has "$text"; done
    [ ! -e run ]
}

@test "unknown subcommands and options suggest the nearest one" {
    expect 2 trian
    stderr_has 'did you mean "train"?'
    expect 2 train --wrokers 3 j.json
    stderr_has 'did you mean "--workers"?'
    expect 2
    expect 2 train
    expect 2 inspect --frobnicate x
}

@test "help, --help and --version answer on standard output" {
    for sub in "" train chaos ctl eval inspect policy simulate replay zipline; do
        # shellcheck disable=SC2086 # no word for the overview
        expect 0 help $sub
        [ -n "$output" ]
    done
    expect 0 --version
    stdout_has "ebsp "
    expect 2 help nothing
}

@test "a wrong job is refused with position, path and expectation" {
    refused '.layers[0].units = 0' 'bad.json:' 'layers[0].units' 'got 0'
    refused '.layers[2].untis = 3' 'layers[2].untis' 'did you mean "units"?'
    refused '.epochs = "many"' 'epochs' 'expected an integer'
    refused '.layers = []' 'layers' 'at least 1'
    refused '.layers[0].type = "dens"' 'did you mean "dense"'
    refused '.workers = 0' 'workers'
    refused '.batch = 481' 'batch' '480'
    refused '.input = [9]' 'input' '8'
    refused '.layers[2].units = 4' '3 classes'
    refused '.optimizer.lr = -1' 'optimizer.lr'
    refused '.data = {"type": "idx"}' 'mnist'
    refused 'del(.batch)' 'batch' 'nothing'
}

@test "syntax errors tell line and column" {
    printf '{\n  "name": "x",\n  "batch" 3\n}\n' >bad.json
    expect 3 train bad.json
    stderr_has "bad.json:3:"
    expect 3 train absent.json
    stderr_has "absent.json"
}

@test "a wrong --set names the argument" {
    blobs_job j.json
    expect 3 train j.json --set optimizer.lr=fast
    stderr_has '--set optimizer.lr=fast'
    expect 3 train j.json -n 0
    stderr_has '--workers=0'
    expect 3 train j.json --set nothing.lr=1
}

@test "an unknown policy or option of one suggests the nearest" {
    blobs_job j.json
    expect 2 train j.json -p bps
    stderr_has 'bsp'
    expect 2 train j.json -p bsp:x=1
    touch not.so
    expect 7 train j.json -p ./not.so
}

@test "a training that diverges ends with status 9 and tells where" {
    blobs_job j.json '.layers[3] = {"type": "mse"}'
    expect 9 train j.json -r run --set optimizer.lr=1e6
    stderr_has "diverged"
    stderr_has "learning rate"
    json_true run/summary.json '.status == "failed" and
        .failure.exit_status == 9 and .checkpoint == null'
}

@test "a worker that is killed ends a run that wants it so: rank, host, signal" {
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run --on-worker-loss abort
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    kill -KILL "$(pgrep -P "$pid" | head -n 1)"
    finish "$pid"
    [ "$status" -eq 8 ]
    grep -q "worker [01] (.*killed by signal 9" log
    json_true run/summary.json '.failure.exit_status == 8 and .checkpoint != null'
    # what was learned is kept
    grep -q 'to go on: ebsp train --resume run' log
    expect 0 train --resume run --max-seconds 0.2 -q
}

@test "a coordinator that is killed leaves no worker behind" {
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run -n 3
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    mapfile -t workers < <(pgrep -P "$pid")
    [ "${#workers[@]}" -eq 3 ]
    kill -KILL "$pid"
    for w in "${workers[@]}"; do ended "$w" 5; done
}

@test "the run key is in no argv, environment, log or file" {
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run -v -v
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    for w in $(pgrep -P "$pid"); do
        tr '\0' '\n' <"/proc/$w/cmdline" >>seen
        tr '\0' '\n' <"/proc/$w/environ" >>seen
    done
    kill -TERM "$pid"
    finish "$pid"
    [ -s seen ]
    run ! grep -rEI '[0-9a-f]{64}' run log seen
}

@test "strangers at the port do not disturb the run" {
    requires command -v ss
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run -n 2
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    # every peer of a worker's connection is the coordinator's port
    port=$(ss -Htnlp 2>/dev/null | sed -n "s/.*127.0.0.1:\([0-9]*\).*pid=$pid,.*/\1/p" | head -n 1)
    [ -n "$port" ] || skip "ss does not tell the port"
    head -c 4096 /dev/urandom >noise
    for _ in 1 2 3; do
        { cat noise >"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || true
    done
    wait_for run/log "refused"
    kill -TERM "$pid"
    finish "$pid"
    [ "$status" -eq 143 ]
}

@test "a full disk ends the run with a clear error and no half checkpoint" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to mount a small file system"
    mkdir small
    mount -t tmpfs -o size=128k tmpfs small 2>/dev/null || skip "mount is not permitted"
    blobs_job j.json '.layers[0].units = 4000'
    status=0
    "$EBSP" train j.json -r small/run >log 2>&1 || status=$?
    ls -la small/run >>log || true
    left=$(find small/run -maxdepth 1 -name '*checkpoint*' | wc -l)
    umount small
    cat log
    [ "$status" -eq 5 ]
    grep -q "No space left" log
    [ "$left" -eq 0 ]
}

@test "closed standard files do no harm" {
    blobs_job j.json
    "$EBSP" train j.json -r in -q <&-
    "$EBSP" train j.json -r err 2>&- >out
    grep -q "test accuracy" out
    status=0
    "$EBSP" train j.json -r out.run >&- 2>log || status=$?
    [ "$status" -eq 5 ]
    grep -q "standard output: Bad file descriptor" log
    status=0
    "$EBSP" train j.json -r all -v <&- >&- 2>&- || status=$?
    [ "$status" -eq 5 ]
    json_true all/summary.json '.status == "done" and .checkpoint != null'
}

@test "workers that die while their coordinator is stopped are named" {
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run -n 3 --on-worker-loss drop
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
    kill -STOP "$pid"
    # shellcheck disable=SC2046 # one word for each worker
    kill -KILL $(pgrep -P "$pid")
    kill -CONT "$pid"
    finish "$pid"
    [ "$status" -eq 8 ]
    grep -q "worker [012] (.*killed by signal 9" log
}

@test "a worker's standard input must be something that can end" {
    printf '%s' '{"host": "127.0.0.1", "port": 1, "rank": 0, "life": 0, "tls": false, "threads": 1,
        "key": "'"$(printf '%064d' 0)"'", "job_dir": ".", "job": "{}",
        "pace_ms": 0.0, "age_ms": 0.0, "seed": 1}' >text
    { echo "ebsp-join 1 $(stat -c %s text)" && cat text; } >message
    status=0
    "$EBSP" worker --join-from-stdin <message 2>log || status=$?
    cat log
    [ "$status" -eq 5 ]
    grep -q "stdin: expected a pipe" log
}

@test "emulation beyond its limits is refused" {
    blobs_job j.json
    for x in 0:1e300 0:0.5 0:nan 2 -1:2; do expect 2 train j.json --slow "$x"; done
    for x in 1e300 -1 nan inf; do expect 2 train j.json --pace "$x"; done
    expect 2 train j.json --slow 2:2
    expect 3 train j.json --data-dir j.json
    stderr_has "Not a directory"
}
