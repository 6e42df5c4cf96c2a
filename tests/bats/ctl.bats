#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Asking a running job, and telling it what to do.
load ebsp
load jobs

teardown() {
    local result=0
    ebsp_teardown || result=$?
    ! mountpoint -q "$BATS_TEST_TMPDIR/small" ||
        umount -l "$BATS_TEST_TMPDIR/small"
    return "$result"
}

# begin [ARG...]: a run that lasts until it is ended; sets $pid.
begin() {
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0'
    bg log ebsp train j.json -r run -q --pace 5 "$@"
    pid=$!
    wait_for run/events.jsonl '"event":"push"'
}

# end: it comes to its end, well.
end() {
    expect 0 ctl run stop --wait
    finish "$pid"
    [ "$status" -eq 0 ] || { cat log && return 1; }
}

# status_is EXPRESSION: of the status as JSON.
status_is() {
    "$EBSP" ctl run status --json >now.json && jq -e "$1" now.json >/dev/null
}
reaches() {
    within 30 status_is "$1" && return
    echo "not reached: $1"
    cat now.json
    return 1
}

# is_alive: the run works and answers.
is_alive() {
    local before
    status_is . || return
    before=$(jq .version now.json)
    reaches ".version > $before"
}

# has_asked PID: it sleeps with a socket open, so its request is sent.
has_asked() {
    [ "$(cut -d ' ' -f 3 "/proc/$1/stat")" = S ] &&
        find "/proc/$1/fd" -lname 'socket:*' | grep -q .
}

@test "status tells how the run and each worker is" {
    begin
    expect 0 ctl run status
    stdout_has "coordinator pid $pid,"
    stdout_has "phase       training, policy bsp"
    stdout_has " of 1000000, "
    [[ $output =~ $'\n'\ +0\ +(held|running)\ .*$'\n'\ +1\ +(held|running)\  ]]
    reaches '.ok and .phase == "training" and .policy == "bsp" and
        .stopped == null and .failure == null and .test_accuracy == null and
        .epochs == 1000000 and .samples_total == 480000000 and
        .version > 2 and .samples >= 40 and .epoch > 0 and .seconds > 0 and
        .uptime > 0 and (.workers | length) == 2 and
        ([.workers[] | .rank, .life, .restarts, .bad_pushes] ==
            [0, 0, 0, 0, 1, 0, 0, 0]) and
        all(.workers[]; .iterations > 0 and .last_heard < 60)'
    [ "$(jq .pid now.json)" -eq "$pid" ]
    [ "$(jq -r .run now.json)" = "$(readlink -f run)" ]
    diff <(jq '.workers[].pid' now.json | sort) <(pgrep -P "$pid" | sort)
    end
}

@test "the keys of the status are in the page" {
    begin
    expect 0 ctl run status --json
    jq -r '.. | objects | keys[]' <<<"$output" | sort -u >keys
    [ "$(wc -l <keys)" -gt 30 ]
    while read -r key; do
        grep -q "C<$key>" "$EBSP_SRCDIR/man/ebsp-ctl.1.pod" || {
            echo "no $key in ebsp-ctl.1.pod" && return 1
        }
    done <keys
    end
}

@test "checkpoint waits until it is written and tells where; training goes on" {
    begin
    ln -s . elsewhere
    expect 0 ctl elsewhere/run checkpoint
    [ "$(dirname "$output")" = "$(readlink -f run)" ]
    [ -e "$output/model.safetensors" ]
    expect 0 eval "$output"
    is_alive
    expect 0 ctl run checkpoint --json
    path=$(jq -r 'select(.ok) | .checkpoint' <<<"$output")
    [ -e "$path/model.safetensors" ]
    reaches ".checkpoint == \"$path\""
    end
}

@test "a checkpoint that cannot be written is told at once, with the reason" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to mount a small file system"
    mkdir small
    mount -t tmpfs -o size=1m tmpfs small 2>/dev/null ||
        skip "mount is not permitted"
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0 |
        .layers[0].units = 2000'
    bg log ebsp train j.json -r small/run --pace 500
    pid=$!
    wait_for small/run/events.jsonl '"event":"push"'
    dd if=/dev/zero of=small/filler bs=1k 2>/dev/null || true
    run_ebsp ctl small/run checkpoint
    first="$status $stderr"
    rm small/filler
    run_ebsp ctl small/run checkpoint
    second="$status $output"
    kill "$pid"
    finish "$pid"
    echo "$first"
    [[ $first == "5 "*"No space left"*"tries again"* ]]
    echo "$second"
    [[ $second == "0 "*/checkpoint-* ]]
}

@test "stop ends the run well, which can go on later" {
    begin
    expect 0 ctl run stop --wait
    stdout_has "exit status 0"
    [ ! -e run/ctl ]
    json_true run/summary.json '.status == "stopped" and .checkpoint != null and
        (.stopped | contains("ebsp ctl"))'
    finish "$pid"
    [ "$status" -eq 0 ]
    expect 5 ctl run status
    stderr_has "has ended"
    done_before=$(json run/summary.json .samples)
    expect 0 train --resume run -q --set epochs=$((done_before / 480 + 2))
    [ ! -e run/ctl ]
}

@test "who waits for the end hears how the run ended" {
    begin
    kill -STOP "$pid"
    bg told ebsp ctl run stop --wait --json
    first=$!
    bg told.too ebsp ctl run stop
    second=$!
    within 20 has_asked "$first"
    within 20 has_asked "$second"
    kill -CONT "$pid"
    finish "$second"
    [ "$status" -eq 0 ]
    finish "$first"
    [ "$status" -eq 0 ]
    [ "$(cat told)" = '{"ok":true,"exit_status":0}' ]
    finish "$pid"
    [ "$status" -eq 0 ]
    # and of an interruption: 128 + SIGTERM
    rm -r run
    begin
    kill -STOP "$pid"
    bg told ebsp ctl run stop --wait --json
    first=$!
    within 20 has_asked "$first"
    kill -TERM "$pid"
    kill -CONT "$pid"
    finish "$first"
    finish "$pid"
    [ "$status" -eq 143 ]
    grep -q '"exit_status":143' told
}

@test "a worker that is added takes part, one that is removed does not" {
    begin --max-workers 4
    expect 0 ctl run add-worker local
    stdout_has "worker 2 is being started on local"
    reaches '.workers | length == 3 and .[2].iterations > 5'
    gone=$(jq '.workers[0].pid' now.json)
    expect 0 ctl run remove-worker 0
    stdout_has "worker 0 was told to leave"
    reaches '.workers[0].state == "absent"'
    ended "$gone"
    left=$(jq '.workers[0].iterations' now.json)
    before=$(jq '.workers[1].iterations' now.json)
    reaches ".workers[1].iterations > $before + 20"
    [ "$(jq '.workers[0].iterations' now.json)" -eq "$left" ]
    # ranks that nobody had come first
    expect 0 ctl run add-worker local --slots 2 --json
    [ "$(jq -c .ranks <<<"$output")" = "[3,0]" ]
    reaches "[.workers[].state] | length == 4 and
        all(. == \"held\" or . == \"running\")"
    [ "$(jq '.workers[0].life' now.json)" -eq 1 ]
    expect 1 ctl run add-worker local
    stderr_has "all 4 ranks are taken"
    end
}

@test "what cannot be done is refused with the exit status of its reason" {
    begin
    expect 2 ctl run remove-worker 7
    stderr_has 7
    expect 2 ctl run add-worker -- -oProxyCommand=sh
    stderr_has "no dash"
    expect 2 ctl run add-worker 'a b'
    is_alive
    end
}

@test "what is emulated for a worker that may still come is said to be that" {
    begin --max-workers 4
    expect 0 ctl run slow "1:2;3:3"
    [ "${lines[1]}" = "no worker 3 now; it holds when one comes" ]
    expect 0 ctl run net 2-3:delay=1 --json
    [ "$(jq -r .note <<<"$output")" = \
        "no worker 2-3 now; it holds when one comes" ]
    for what in "1-3:2" all:3 0:1; do
        expect 0 ctl run slow "$what"
        [ "$output" = "emulated from now on: slow $what" ]
    done
    end
}

@test "the command line is checked before anybody is asked" {
    expect 2 ctl
    expect 2 ctl run
    expect 2 ctl run halt
    stderr_has 'unknown request "halt"'
    expect 2 ctl run sttaus
    stderr_has 'did you mean "status"?'
    expect 2 ctl run stop now
    expect 2 ctl run add-worker
    stderr_has "expected HOST"
    expect 2 ctl run remove-worker one
    expect 2 ctl run remove-worker 4294967296
    expect 2 ctl run status --wait
    expect 2 ctl run status --slots 2
    expect 2 ctl run add-worker local --slots 0
    expect 2 ctl run status -t 0
    expect 2 ctl run status x y
    expect 2 ctl '' status
}

@test "a run that is not there is told apart from one that has ended" {
    expect 5 ctl run status
    stderr_has "no such run directory"
    mkdir run
    expect 5 ctl run status
    stderr_has "no job.json in it"
    touch file
    expect 5 ctl file status
    stderr_has "not a folder"
}

@test "the socket of a coordinator that was killed is told and replaced" {
    begin
    expect 0 ctl run checkpoint
    kill -KILL "$pid"
    ended "$pid"
    [ -S run/ctl ]
    expect 5 ctl run status
    stderr_has "was killed"
    stderr_has "ebsp train --resume run"
    bg log ebsp train --resume run -q --pace 5
    pid=$!
    within 30 status_is .
    is_alive
    end
}

@test "what is not a socket of ours stays; the run goes on without one" {
    begin
    end
    echo mine >run/ctl
    done_before=$(json run/summary.json .samples)
    expect 0 train --resume run -q --set epochs=$((done_before / 480 + 2))
    stderr_has "in the way"
    [ "$(cat run/ctl)" = mine ]
}

@test "a stopped coordinator does not block who asks" {
    begin
    kill -STOP "$pid"
    expect 5 ctl run status -t 0.5
    stderr_has "no answer in time"
    kill -CONT "$pid"
    is_alive
    end
}

@test "a long path is no problem" {
    long=$(printf '%0180d' 0)
    mkdir "$long"
    cd "$long"
    begin
    expect 0 ctl "$PWD/run" checkpoint
    end
}

# --- who may, and what strangers can do ------------------------------------

# as_nobody CMD...
as_nobody() {
    setpriv --reuid 65534 --regid 65534 --clear-groups "$@" 2>&1
}

@test "other users are kept out, twice" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to be somebody else"
    requires setpriv --reuid 65534 --regid 65534 --clear-groups true
    begin
    [ "$(stat -c %a run/ctl)" = 600 ]
    # the same socket in a folder where all may look
    open=$(mktemp -d /tmp/ebsp-ctl.XXXXXX)
    chmod 755 "$open"
    cp "$(readlink -f "$EBSP")" "$open/ebsp"
    mkdir "$open/run"
    ln "run/ctl" "$open/run/ctl" 2>/dev/null || {
        rm -r "$open"
        end
        skip "the folders are on different file systems"
    }
    run as_nobody "$open/ebsp" ctl "$open/run" stop
    first="$status $output"
    chmod 666 run/ctl
    run as_nobody "$open/ebsp" ctl "$open/run" stop
    rm -r "$open"
    echo "$first"
    [[ $first == "5 "*"only the user who has started"* ]]
    echo "$output"
    [ "$status" -eq 6 ]
    [[ $output == *"refused user 65534"* ]]
    grep -q "control: refused: refused user 65534" run/log
    is_alive
    end
}

# stranger CODE: python with s(), a new connection to the run.
stranger() {
    python3 - <<END
import random, socket, time
def s():
    c = socket.socket(socket.AF_UNIX)
    c.settimeout(30)
    while True:
        try:
            c.connect("run/ctl")
            return c
        except BlockingIOError: time.sleep(0.01) # many wait
def rest(c):
    got = b""
    try:
        while True:
            part = c.recv(65536)
            if not part: return got
            got += part
    except ConnectionError: return got
def ask(c): # until there is a place for it
    while True:
        try:
            c.sendall(b"{\"do\":\"status\"}\n")
            if b"\"phase\":\"training\"" in c.recv(65536): return c
        except ConnectionError: pass
        c = s()
$1
END
}

@test "strangers at the socket do not disturb the run" {
    requires command -v python3
    begin
    stranger '
c = s(); c.sendall(b"GET / HTTP/1.0\n{}\n[1]\n{\"do\":\"stop\",\"now\":1}\n")
c.shutdown(socket.SHUT_WR); got = rest(c).split(b"\n")
assert len(got) == 5 and all(b"\"ok\":false" in x for x in got[:4]), got
try:
    c = s(); c.sendall(b"x" * 200000)
except ConnectionError: pass
assert b"more than 65536" in rest(c)
random.seed(5)
for i in range(20):
    c = s()
    try: c.sendall(random.randbytes(5000))
    except ConnectionError: pass
    c.close()
inside = [ask(s()) for i in range(8)]
crowd = [s() for i in range(90)]
told = sum(b"others are connected" in rest(c) for c in crowd)
assert told == 90, told
'
    reaches . # once it has seen that they are gone
    is_alive
    # who asks and does not listen harms only himself
    stranger '
deaf = [s() for i in range(7)]
for c in deaf:
    c.setblocking(False)
    try:
        while True: c.send(b"{\"do\":\"status\"}\n" * 100)
    except BlockingIOError: pass
ask(s())
'
    reaches .
    is_alive
    end
}
