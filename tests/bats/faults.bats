#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Workers that are killed, stopped and continued at every state, and a
# coordinator that sleeps: every run comes to its end, having applied every
# sample of each epoch exactly once, and its model is as good as without.
load ebsp
load jobs
load ../tools/rogue # applied_once and the like

setup() {
    ebsp_setup
    # asp is no policy for a high learning rate
    blobs_job job.json '.optimizer.lr = 0.02'
    # What is silent for 2.5 s is cut off, and has a second to come back.
    soon=(--set faults.max_silence=2.5 --set faults.rejoin=1)
}

# start ARG...: a run in the background; $train is its id.
start() {
    rm -rf run log
    bg log ebsp train job.json -r run "$@"
    train=$!
}

# pid_of RANK: of its newest process that has connected.
pid_of() {
    jq -r --argjson rank "$1" \
        'select(.event == "hello" and .rank == $rank) | .pid' \
        run/events.jsonl | tail -n 1
}

# events N TEXT: there are so many with that.
events() {
    [ -e run/events.jsonl ] && [ "$(grep -c -e "$2" run/events.jsonl)" -ge "$1" ]
}
# pushes RANK N: it has pushed so often.
pushes() {
    events "$2" "\"event\":\"push\",\"rank\":$1,"
}

# good SAMPLES: the run has ended well.
good() {
    finish "$train"
    [ "$status" -eq 0 ] || {
        echo "exit status $status:"
        cat log
        return 1
    }
    applied_once "$1"
    json_true run/summary.json '.test_accuracy > 0.95 and .failure == null'
}

@test "kill -9 while starting" {
    start -n 3 --pace 4 --set epochs=10
    within 10 pgrep -P "$train" >first
    kill -KILL "$(head -n 1 first)"
    good 4800
    grep -q 'worker [012].*: killed by signal 9 (Killed)' log
    json_true run/summary.json '.workers_lost == 1'
}

@test "kill -9 while it computes, while it waits, while it is replaced" {
    local policy
    for policy in bsp elasticbsp; do
        # worker 0 is slow, so worker 1 waits for it; nobody else does its part
        start -n 2 -p "$policy" --pace 5 --slow 0:4 --set epochs=12 "${own[@]}"
        within 10 pushes 1 3
        kill -KILL "$(pid_of 0)"
        within 10 pushes 1 9
        kill -KILL "$(pid_of 1)"
        within 10 events 2 '"event":"spawn".*"life":1'
        # whoever is the coordinator's newest child
        kill -KILL "$(pgrep -nP "$train")"
        good 5760
        json_true run/summary.json '.workers_lost == 3'
        [ "$(grep -c 'killed by signal 9' log)" -eq 3 ]
    done
}

@test "kill -9 of all at once" {
    local policy
    for policy in bsp asp; do
        # paced for 2 s, which is what the words of a test may take
        start -n 3 -p "$policy" --pace 60 --set epochs=5
        within 10 pushes 2 5
        kill -KILL "$(pid_of 0)" "$(pid_of 1)" "$(pid_of 2)"
        good 2400
        json_true run/summary.json '.workers_lost == 3 and
            ([.per_worker[].restarts] == [1, 1, 1])'
    done
}

@test "kill -9 after it was told to stop" {
    # worker 1 has nothing left, and is stopped, when the other one ends
    start -n 2 -p asp --pace 100 --slow 0:20 --set epochs=1 --set batch=240
    within 10 events 1 '"event":"idle","rank":1'
    kill -STOP "$(pid_of 1)"
    wait_for run/events.jsonl '"event":"end"'
    kill -KILL "$(pid_of 1)"
    finish "$train" 8
    [ "$status" -eq 0 ]
    applied_once 480
}

@test "killed again and again: replaced --max-restarts times, then dropped" {
    local life
    # worker 1 would need 7 s for what nobody else does
    start -n 2 --pace 10 --slow 1:5 --max-restarts 2 --set epochs=12 "${own[@]}"
    for life in 0 1 2; do
        within 10 events 1 "\"event\":\"ready\",\"rank\":1,\"life\":$life,"
        kill -KILL "$(pid_of 1)"
    done
    good 5760
    has_event '"event":"lost","rank":1,"life":2,.*"then":"drop"'
    json_true run/summary.json '.workers_lost == 3'
    grep -q 'starting it again (2 of 2)' log
    grep -q 'going on with 1 worker$' log
}

@test "stopped: cut off, killed and replaced" {
    local stopped
    start -n 2 --pace 10 "${soon[@]}" --set epochs=15
    within 10 pushes 1 3
    stopped=$(pid_of 1)
    kill -STOP "$stopped"
    within 20 events 1 '"event":"ready","rank":1,"life":1,'
    is_gone "$stopped"
    good 7200
    grep -q 'worker 1 (.*no sign of life for' log
}

@test "stopped and continued in time: the same process takes part again" {
    local stopped
    start -n 2 --pace 10 --set faults.max_silence=2.5 --set epochs=15
    within 10 pushes 1 3
    stopped=$(pid_of 1)
    kill -STOP "$stopped"
    within 20 events 1 '"event":"leave","rank":1,.*no sign of life'
    kill -CONT "$stopped"
    within 20 events 2 '"event":"ready","rank":1,"life":0,'
    [ "$(pid_of 1)" = "$stopped" ]
    good 7200
    json_true run/summary.json '.workers_lost == 0 and
        .per_worker[1].rejoins == 1 and .per_worker[1].restarts == 0'
}

@test "a coordinator that sleeps: nobody is lost for that" {
    local before
    requires command -v ss
    start -n 3 --pace 10 --set faults.max_silence=2.5 --set epochs=15 \
        --set faults.max_iteration=2.5
    within 10 pushes 1 3
    before=$(connections)
    [ "$(wc -l <<<"$before")" -eq 3 ]
    kill -STOP "$train"
    within 20 others_than "$before" # the workers try to come back
    kill -CONT "$train"
    good 7200
    json_true run/summary.json '.workers_lost == 0 and
        ([.per_worker[].restarts] == [0, 0, 0])'
}
# connections: the workers' ends of theirs.
connections() {
    ss -Htnp state established |
        grep -E "pid=($(pgrep -d '|' -P "$train"))," | awk '{print $3}'
}
others_than() { ! grep -qxF "$1" <<<"$(connections)"; }

@test "a dropped worker's own shard is done by the others" {
    start -n 3 --pace 50 --on-worker-loss drop --set epochs=5 "${own[@]}"
    within 10 pushes 1 3
    kill -KILL "$(pid_of 1)"
    good 2400
    json_true run/summary.json '.workers_lost == 1'
    # ... all of it
    json_true <(jq -s 'map(select(.event == "release" and .shard == 1))' \
        run/events.jsonl) 'any(.[]; .rank != 1) and any(.[]; .epoch == 4)'
}

@test "losses, rejoins and rejected pushes are repeated bit for bit" {
    local policy
    for policy in bsp asp elasticbsp; do
        rogue_train 'nan-loss,n=3,every=7 close@ordered,n=4 again:me:0@pushed,n=5 garbage@ordered,n=6 exit:1@pushed,n=7' \
            -p "$policy" --set faults.rejoin=0.3 --set epochs=8 \
            --max-bad-pushes 2
        [ "$status" -eq 0 ]
        applied_once 3840
        has_event '"event":"retry"'
        has_event '"event":"lost"'
        expect 0 replay run --json
        echo "$output" >again.json
        json_true again.json '.identical == true'
        [ "$(json again.json .params_hash)" = "$(hash_of run)" ]
    done
}

@test "the second signal does not wait for anybody" {
    start -n 2 --pace 10 --set epochs=1000
    within 10 pushes 1 3
    kill -STOP "$(pid_of 0)" "$(pid_of 1)"
    kill -TERM "$train"
    wait_for log 'once more to force'
    kill -TERM "$train"
    finish "$train" 5
    [ "$status" -eq 143 ]
    within 5 no_leftovers
}
