#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ebsp bench: what tests/unit/test_study.c cannot see.
load ebsp
load jobs

setup() {
    ebsp_setup
    requires command -v jq
    scenarios=$EBSP_SRCDIR/scenarios
}

# bench ARG...: in virtual time, of two policies and two seeds.
bench() {
    expect 0 bench j.json -p bsp,asp --seeds 2 --virtual -o out \
        --scenario "$scenarios/one-3x-slow.json" "$@"
}

@test "the scenarios that come with ebsp are scenarios of their names" {
    blobs_job j.json '.epochs = 1'
    local file args=()
    for file in "$scenarios"/*.json; do
        args+=(--scenario "$file")
        [ "$(json "$file" .name)" = "$(basename "$file" .json)" ]
        json_true "$file" '.description | length > 20'
    done
    [ ${#args[@]} -eq 16 ]
    expect 0 bench j.json --seeds 1 --virtual -o out -q "${args[@]}"
    json_true out/bench.json '[.cells[].status] | unique == ["done"]'
    json_true out/bench.json '.cells | map(select(.scenario == "node-lost")) |
        .[0].workers_lost == 1 and .[0].samples == 480'
}

@test "bsp waits for a worker that is three times slower, asp does not" {
    blobs_job j.json
    bench --target-accuracy 0.9 -j 1
    stdout_has "against bsp, pairs of the same seed"
    stderr_has "4/4 one-3x-slow asp seed 2: accuracy"
    # 300 ms for 4 * 20 samples; 3 * 10 + 10/3 mini-batches a second
    json_true out/bench.json '.groups[0].samples_per_second.mean |
        . > 250 and . < 270'
    json_true out/bench.json '.groups[0].waiting_share.mean | . > 0.45 and . < 0.52'
    json_true out/bench.json '.groups[1].against.samples_per_second |
        .mean > 2 and .low > 1 and .verdict == "better" and .pairs == 2'
    json_true out/bench.json '.groups[1].against.speedup.pairs == 2'
    [ "$(wc -l <out/bench.csv)" -eq 5 ]
    [ "$(sed -n 's/,done,.*//p' out/bench.csv | tail -1)" = '"one-3x-slow","job","asp",2' ]
}

@test "links and losses cost in virtual time what arithmetic gives" {
    blobs_job j.json '.epochs = 5'
    # 100 ms, and 20 ms there and back: 4 * 20 samples in 140 ms
    echo '{"name": "far", "workers": 4, "net": "0:delay=20"}' >far.json
    # 4 workers for the first half of 120 mini-batches, then 3
    echo '{"name": "lost", "workers": 4, "pace": 50,
        "kill": [{"rank": 1, "at": 0.5}]}' >lost.json
    # 41472 bits at 1 Mbit/s twice, of which the rank has its own
    echo '{"name": "thin", "workers": 4, "net": "2:rate=1mbit", "bytes": 5184}' >thin.json
    expect 0 bench j.json --seeds 1 --virtual -o out -q --scenario far.json \
        --scenario lost.json --scenario thin.json
    json_true out/bench.json '.cells[0].samples_per_second - 80 / 0.14 | fabs < 0.01'
    json_true out/bench.json '.cells[1].seconds - (15 + 20) * 0.05 | fabs < 1e-6'
    json_true out/bench.json '.cells[2].samples_per_second -
        80 / (0.1 + 2 * 0.041472) | fabs < 0.01'
    echo '{"name": "bad", "net": "0:loss=1"}' >bad.json
    expect 3 bench j.json --virtual -o out2 -q --scenario bad.json
    stderr_has "what is lost is not known in virtual time"
    [ ! -e out2 ]
}

@test "a bench goes on where it was, grows, and refuses other settings" {
    blobs_job j.json '.epochs = 1'
    bench
    cp out/bench.json before.json
    # as after an interruption: a cell is missing, another is half written
    rm out/cells/one-3x-slow,job,asp,2.json out/bench.json
    bench
    stderr_has "4 cells, 3 of them are there"
    stderr_has "1/1 one-3x-slow asp seed 2"
    cmp out/bench.json before.json
    # another target needs no training; a third seed does
    bench --target-accuracy 0.5 -q
    json_true out/bench.json '.target_accuracy == 0.5 and (.cells | length == 4)'
    bench --seeds 3
    stderr_has "6 cells, 4 of them are there"
    expect 2 bench j.json -p bsp --virtual -o out --set optimizer.lr=0.2
    stderr_has "out was made with other settings: the job's optimizer.lr was 0.1, is 0.2"
    expect 2 bench j.json -p bsp -o out
    stderr_has 'mode was "virtual", is "live"'
    expect 2 bench j.json -p bsp --virtual -o out -n 3
    stderr_has "workers was not given, is 3"
    rm out/settings.json
    expect 2 bench j.json -p bsp,asp --seeds 2 --virtual -o out \
        --scenario "$scenarios/one-3x-slow.json" --set optimizer.lr=0.2
    stderr_has "bsp,1.json is of other settings"
}

@test "runs at the same time have the results of runs one after the other" {
    blobs_job j.json '.epochs = 1'
    bench -j 1 -q
    mv out/bench.json before.json
    rm -r out
    bench -j 3
    stderr_has "4/4 one-3x-slow "
    cmp out/bench.json before.json
    expect 2 bench j.json -j 2 -o out2
    stderr_has "--jobs is for --virtual"
}

@test "a cell that cannot be read is made again, a folder of others is left alone" {
    blobs_job j.json '.epochs = 1'
    bench
    cp out/bench.json before.json
    echo '{"settings": ' >out/cells/one-3x-slow,job,asp,2.json
    bench
    stderr_has "warning: 1 cell cannot be read and will be made again: "
    stderr_has "4 cells, 3 of them are there"
    cmp out/bench.json before.json
    mkdir mine
    touch mine/thesis.tex
    expect 2 bench j.json --virtual -o mine
    stderr_has 'mine: the folder has "thesis.tex" in it and is of no bench'
    [ "$(ls mine)" = thesis.tex ]
}

@test "conventions differ where updates are not rounds of all workers" {
    blobs_job j.json '.epochs = 2 | .eval_every = 0.5 | .schedule = {"type": "step",
        "milestones": [1], "gamma": 0}'
    bench --convention samples,updates --seeds 1 -q
    json_true out/bench.json '.conventions == ["samples", "updates"] and
        (.groups | length == 4)'
    # With a rate of 0 nothing changes any more.  That is so from the end of the
    # first epoch on, but for asp and the updates of 4 workers a quarter in.
    json_true out/bench.json '[.cells[] | [.policy, .convention,
        (.curve | map(.loss) | .[0] == .[-1])]] == [
            ["bsp", "samples", false], ["asp", "samples", false],
            ["bsp", "updates", false], ["asp", "updates", true]]'
    json_true out/bench.json '[.cells[].curve | .[1].loss == .[3].loss] | all'
}

@test "mistakes are told before anything is trained" {
    blobs_job j.json
    expect 2 bench j.json -p bsp,bsp --virtual
    stderr_has 'policy "bsp" is there twice'
    expect 2 bench j.json -p bsp --baseline asp --virtual
    stderr_has "--baseline asp: it is not among the policies"
    expect 3 bench j.json --scenario nowhere --virtual
    stderr_has 'scenario "nowhere": no such file'
    expect 2 bench j.json --convention sample --virtual
    stderr_has "expected job, samples or updates"
    expect 3 bench j.json --scenario "$scenarios/node-lost.json" -n 3 --virtual
    stderr_has "kill[0].rank: no worker 3 among 3"
    echo '{"name": "twice", "kill": [{"rank": 0, "at": 0.1}, {"rank": 0, "at": 0.2}]}' >twice.json
    expect 3 bench j.json --scenario twice.json --virtual -n 3
    stderr_has "kill[1].rank: worker 0 is killed in kill[0] already"
    [ ! -e bench-blobs ]
}

# bats test_tags=heavy
@test "what failed is no measurement" {
    # well before the end, for who kills looks on from outside
    blobs_job j.json '.epochs = 40 | .eval_every = 1 | .faults = {"min_workers": 4}'
    echo '{"name": "lost", "workers": 4, "pace": 20,
        "kill": [{"rank": 1, "at": 0.2}]}' >lost.json
    expect 1 bench j.json -p bsp,asp --seeds 2 -o out --scenario lost.json --target-accuracy 0.5
    json_true out/bench.json '[.cells[] | .status == "failed" and (.curve | length > 0)] | all'
    json_true out/bench.json '[.groups[] | .failed == 2 and .best_accuracy.mean == null and
        .target_seconds.mean == null] | all'
    json_true out/bench.json '.groups[1].against.speedup | .pairs == 0 and .verdict == "unknown"'
}

@test "scenarios alone say what is emulated, and nothing ends a run early" {
    blobs_job j.json '.epochs = 1 | .emulate = {"slow": "0:3", "pace": 20}'
    expect 0 bench j.json -p bsp --seeds 1 --virtual -o out
    stderr_has "what j.json emulates itself is left out"
    json_true out/bench.json '.cells[0].waiting_share < 0.01'
    expect 0 bench j.json -p bsp --seeds 1 -o live
    json_true "live/runs/plain,job,bsp,1/job.json" '.emulate.slow == null'
    expect 2 bench j.json -p bsp --virtual -o out2 --set max_seconds=1
    stderr_has "max_seconds: a bench trains to the end"
    [ ! -e out2 ]
}

@test "a policy of one's own that was compiled again is another one" {
    blobs_job j.json '.epochs = 1'
    cp "$(ebsp policy list --json | jq -r '.[] | select(.name == "asp").path')" own.so
    expect 0 bench j.json -p ./own.so --seeds 1 --virtual -o out
    expect 0 bench j.json -p ./own.so --seeds 1 --virtual -o out
    stderr_has "1 cell, 1 of them are there"
    echo >>own.so
    expect 2 bench j.json -p ./own.so --seeds 1 --virtual -o out
    stderr_has "out was made with other settings"
}

@test "the name of a job does not lead out of the folder" {
    blobs_job j.json '.epochs = 1 | .name = "/../../a b"'
    mkdir -p deep/er
    cp j.json deep/er
    cd deep/er
    expect 0 bench j.json -p asp --seeds 1 --virtual -q
    [ -e bench-_.._.._a_b/bench.json ]
    [ "$(find ../.. -name bench.json | wc -l)" -eq 1 ]
}

# bats test_tags=heavy
@test "a live cell that somebody stops is not done" {
    blobs_job j.json '.epochs = 100'
    bg log ebsp bench j.json -p asp --seeds 1 --pace 20 -o out
    wait_for "out/runs/plain,job,asp,1/events.jsonl" '"event":"commit"'
    expect 0 ctl "out/runs/plain,job,asp,1" stop
    finish $!
    [ "$status" -eq 1 ]
    json_true out/bench.json '.cells[0] | .status == "failed" and
        .failure == "stopped by ebsp ctl, before the end" and .final_accuracy == null'
}

# bats test_tags=heavy
@test "live cells are runs, and one that is killed in the middle is made again" {
    blobs_job j.json '.epochs = 12' # some seconds, to be killed in
    args=(j.json -p "bsp,asp" --seeds 1 --pace 20 -o out)
    bg log ebsp bench "${args[@]}"
    wait_for "out/runs/plain,job,bsp,1/events.jsonl" '"event":"commit"'
    kill -KILL $!
    ended $!
    expect 0 bench "${args[@]}"
    json_true out/bench.json '[.cells[].status] == ["done", "done"]'
    json_true out/bench.json '.cells[0] | .samples == 5760 and .seconds > 1 and
        (.curve | length == 12) and .run == "runs/plain,job,bsp,1"'
    json_true "out/runs/plain,job,asp,1/summary.json" '.policy == "asp"'
}

# bats test_tags=heavy
@test "in a live run the worker of a scenario is killed and not replaced" {
    # long after the kill, for who kills looks on from outside
    blobs_job j.json '.epochs = 40'
    cat >lost.json <<'EOF_SCENARIO'
{"name": "lost", "workers": 3, "pace": 20, "kill": [{"rank": 1, "at": 0.2}]}
EOF_SCENARIO
    expect 0 bench j.json -p asp --seeds 1 --scenario lost.json -o out
    json_true out/bench.json '.cells[0] | .status == "done" and
        .workers_lost == 1 and .samples == 19200'
}
