#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A run in a table.  Its logic, and the terminal, are in tests/unit/test_top.c.
load ebsp
load jobs

# bats test_tags=heavy
@test "top tells of a run at work, a stopped one and a killed one" {
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0 | .workers = 3'
    bg log ebsp train j.json -r run -q -p asp --pace 5 --slow 0:20
    wait_for run/events.jsonl '"event":"push","rank":0,"iteration":9,'
    expect 0 top run
    stdout_has "run: training, policy asp, up "
    stdout_has $'\nepoch '
    stdout_has $'\n3 workers, 0 lost; '
    [[ ${lines[4]} =~ ^RANK\ +host\ +state\ +iter\  ]]
    [[ ${lines[5]} =~ ^\ +0\ [^\ ]+\ +(held|running)\ +[1-9][0-9]*\  ]]
    [ "${#lines[@]}" -eq 8 ]
    expect 0 top run --once --sort=rate -r
    [[ ${lines[5]} =~ ^\ +0\  ]]

    kill -STOP "${pids[0]}"
    expect 0 top run
    stdout_has "run: its coordinator does not answer"
    kill -CONT "${pids[0]}"
    kill -KILL "${pids[0]}"
    finish "${pids[0]}"
    expect 0 top run
    stdout_has "run: its coordinator was killed; continue it with \"ebsp train --resume run\""
}

@test "top refuses what it does not know" {
    expect 3 top nothing
    stderr_has "nothing: no such run directory"
    expect 2 top
    expect 2 top run --sort rates
    stderr_has 'no column "rates", did you mean "rate"?'
    expect 2 top run -d 0
}
