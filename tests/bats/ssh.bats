#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Workers over SSH: real sshds, real login shells, and nobody left behind.
load ebsp
load jobs
load ../tools/sshd

setup() {
    ebsp_setup
    need_sshd
    blobs_job job.json
}
teardown() { sshd_teardown; }

hosts=127.0.0.1,127.0.0.2,127.0.0.3

start_hosts() { start_sshd 127.0.0.1 127.0.0.2 127.0.0.3; }

# ssh_train ARG...: trains on the three hosts.
ssh_train() {
    run_ebsp train job.json -r run --ssh "$sshd_client" --hosts "$hosts" "$@"
}

# train_on HOSTS ARG...: a run that lasts until it is ended; $train is its id.
# Returns when its workers compute.
train_on() {
    bg log ebsp train job.json -r run --ssh "$sshd_client" --hosts "$1" \
        --pace 30 --set epochs=100000 --set eval_every=0 "${@:2}"
    train=$!
    wait_for run/events.jsonl '"push"' 40
}

# remote_workers: process ids of workers, of which the parent is not ebsp.
remote_workers() {
    local pid
    for pid in $(leftovers); do
        ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q join-from-stdin ||
            echo "$pid"
    done
}
# clients: process ids of ssh processes that the run has started.
clients() { pgrep -f "^ssh -F $sshd_dir/ssh_config" || true; }
no_processes() { [ -z "$(leftovers)$(clients)$(sshd_commands)" ]; }
# sshd_commands: what sessions run, the processes of sshd itself left out.
sshd_commands() {
    local pid
    for pid in $(sshd_sessions); do
        grep -qs sshd "/proc/$pid/comm" || echo "$pid"
    done
}

@test "a run on three hosts ends as one on this machine, with the same bits" {
    start_hosts
    ssh_train
    [ "$status" -eq 0 ]
    run_ebsp train job.json -r here -n 3
    [ "$status" -eq 0 ]
    [ "$(hash_of run)" = "$(hash_of here)" ]
    json_true run/job.json '.workers == 3 and .hosts == ["127.0.0.1:1",
        "127.0.0.2:1", "127.0.0.3:1"] and .origin.workers == "--hosts=3"'
    [ "$(grep -c 'Starting session: command' "$sshd_dir/0.log")" -eq 3 ]
    within 20 no_processes
}

@test "a host file, slots and this machine: as many workers as there is room" {
    start_hosts
    printf '%s\n' '# three' '' '127.0.0.1 slots=2 # two' \
        "$(id -un)@127.0.0.2" 'local slots=1' >hosts
    hosts=hosts ssh_train --json
    [ "$status" -eq 0 ]
    json_true run/job.json '.workers == 4'
    [ "$(grep -c 'Starting session: command' "$sshd_dir/0.log")" -eq 3 ]
    # the job that is left behind knows its hosts
    expect 0 train run/job.json -r again --ssh "$sshd_client" --json
    [ "$(grep -c 'Starting session: command' "$sshd_dir/0.log")" -eq 6 ]
}

@test "more workers than slots, a bad line, a bad name: exit status 3" {
    expect 3 train job.json -r run --hosts a:2,b -n 4
    stderr_has 'workers: 4 workers, but the hosts have 3 slots'
    printf 'a\n\nb slots=0\n' >hosts
    expect 3 train job.json -r run --hosts hosts
    stderr_has 'hosts:3: expected 1 to 65536 slots, got "0"'
    expect 3 train job.json -r run --hosts ./absent
    stderr_has absent
    expect 3 train job.json -r run --hosts=-oProxyCommand=x
    stderr_has 'got "-oProxyCommand=x"'
    expect 3 train job.json -r run --hosts 'a;reboot'
    expect 3 train job.json -r run --set 'hosts=["a b"]'
    stderr_has 'hosts[0]: expected [USER@]HOST'
    expect 3 train job.json -r run --set 'hosts=[{"host": "a", "slot": 1}]'
    expect 3 train job.json -r run --hosts local,::1
    stderr_has 'brackets, as in "[::1]", got "::1"'
    expect 5 train job.json -r run --listen 192.0.2.7 --hosts local
    stderr_has '--listen: 192.0.2.7 is not an address of this machine'
    expect 2 train job.json -r run --remote-path 'ebsp;reboot' --hosts local
    expect 2 train job.json -r run --listen 0.0.0.0 --hosts local
    [ ! -e run ]
}

@test "a host that only ssh knows needs --listen, and gets TLS there" {
    start_hosts
    cat >>"$sshd_dir/ssh_config" <<END
Host node-a.example.invalid
    HostName 127.0.0.2
    HostKeyAlias [127.0.0.2]:$sshd_port
$(sshd_client_config | tail -n +2)
END
    hosts=node-a.example.invalid ssh_train
    [ "$status" -eq 3 ]
    stderr_has 'host "node-a.example.invalid": the name'
    stderr_has '--listen ADDRESS'
    hosts=node-a.example.invalid,local ssh_train --listen 127.0.0.9
    [ "$status" -eq 0 ]
}

@test "kill -9 of a remote worker, of its ssh: told with the host" {
    start_hosts
    train_on "$hosts" --on-worker-loss abort
    kill -KILL "$(remote_workers | head -n 1)"
    finish "$train"
    [ "$status" -eq 8 ]
    grep -qE 'worker [012].*127.0.0.[123]: the worker was killed there' log
    within 20 no_processes

    rm -r run
    train_on "$hosts" --on-worker-loss abort
    kill -KILL "$(clients | head -n 1)"
    finish "$train"
    [ "$status" -eq 8 ]
    grep -qE 'worker [012].*127.0.0.[123]: ssh was killed by signal 9' log
    within 20 no_processes
}

@test "kill -9 of the coordinator leaves nobody, not even a stopped worker" {
    start_hosts
    train_on "$hosts,local"
    [ "$(remote_workers | wc -l)" -eq 4 ]
    # shellcheck disable=SC2046 # one word for each
    kill -STOP $(remote_workers | head -n 2)
    kill -KILL "$train"
    within 20 no_processes
}

@test "the same through a login shell that stays in between" {
    sshd_extra="ForceCommand sh -c \"\$SSH_ORIGINAL_COMMAND; exit \\\$?\""
    start_hosts
    train_on 127.0.0.1
    kill -KILL "$train"
    within 20 no_processes
}

# shell_works SHELL: as a login shell.
shell_works() {
    command -v "$1" >/dev/null || skip "needs: $1"
    sshd_extra="ForceCommand exec $1 -c \"\$SSH_ORIGINAL_COMMAND\""
    start_sshd 127.0.0.1
    hosts=127.0.0.1:2 ssh_train --remote-path "$sshd_dir/bin/ebsp"
    [ "$status" -eq 0 ]
    rm -r run
    hosts=127.0.0.1 ssh_train --remote-path /no/such/ebsp
    [ "$status" -eq 3 ]
    stderr_has '127.0.0.1: no "/no/such/ebsp" there'
    rm -r run
    train_on 127.0.0.1
    kill -STOP "$(remote_workers)"
    kill -KILL "$train"
    within 20 no_processes
}
@test "a login shell that is no sh: csh" { shell_works tcsh; }
@test "a login shell that is no sh: fish" { shell_works fish; }

@test "what login scripts print does no harm" {
    # shellcheck disable=SC2016 # the variable is sshd's
    sshd_extra='ForceCommand echo ebsp-worker; echo ebsp-worker x y; yes | head -n 100; printf "no newline"; echo err >&2; eval "$SSH_ORIGINAL_COMMAND"'
    start_hosts
    ssh_train
    [ "$status" -eq 0 ]
}

@test "a login script that prints without end is given up" {
    # shellcheck disable=SC2034 # start_sshd reads it
    sshd_extra='ForceCommand yes'
    start_hosts
    ssh_train
    [ "$status" -eq 6 ]
    stderr_has 'no greeting of ebsp'
    within 20 no_processes
}

@test "another protocol version is refused by name, before it is told anything" {
    cat >other <<'END'
#!/bin/sh
echo "ebsp-worker 7 9.3.0"
cat >"$BATS_TEST_TMPDIR/told"
END
    chmod +x other
    start_hosts
    hosts=127.0.0.2 ssh_train --remote-path "$PWD/other"
    [ "$status" -eq 6 ]
    stderr_has '127.0.0.2 runs ebsp 9.3.0 (protocol 7), this is'
    [ ! -s told ]
    within 20 no_processes
}

@test "an ebsp that does not greet, and none at all, are told apart" {
    start_hosts
    hosts=127.0.0.1 ssh_train --remote-path /bin/false
    [ "$status" -eq 3 ]
    stderr_has '"/bin/false worker" ended with exit status 1'
    rm -r run
    hosts=127.0.0.1 ssh_train --remote-path no-such-ebsp
    [ "$status" -eq 3 ]
    stderr_has 'no "no-such-ebsp" there: install ebsp, or say by --remote-path'
}

@test "host keys: unknown and changed ones are refused, with advice" {
    start_hosts
    cp "$sshd_dir/known_hosts" good
    : >"$sshd_dir/known_hosts"
    ssh_train
    [ "$status" -eq 6 ]
    stderr_has "its host key is not known: run \"$sshd_client 127.0.0."
    [ ! -s "$sshd_dir/known_hosts" ]

    rm -r run
    ssh-keygen -q -t ed25519 -N '' -f other_key
    sed "s|ssh-ed25519 .*|$(cut -d ' ' -f 1,2 other_key.pub)|" good \
        >"$sshd_dir/known_hosts"
    ssh_train
    [ "$status" -eq 6 ]
    stderr_has 'its host key is not the one in known_hosts'
    [ "$(grep -c 'Starting session' "$sshd_dir/0.log")" -eq 0 ]
}

@test "no key, no host, no ssh: advice for each" {
    start_hosts
    ssh-keygen -q -t ed25519 -N '' -f other_key
    cp other_key "$sshd_dir/user_key"
    ssh_train
    [ "$status" -eq 6 ]
    stderr_has "\"$sshd_client -oBatchMode=yes 127.0.0."
    rm -r run
    kill "${sshd_pids[0]}"
    ended "${sshd_pids[0]}"
    ssh_train --max-restarts 1
    [ "$status" -eq 8 ]
    stderr_has 'no sshd answers there'
    rm -r run
    hosts=nowhere.invalid ssh_train --listen 127.0.0.1
    [ "$status" -eq 3 ]
    stderr_has 'no such host'
    rm -r run
    expect 3 train job.json -r run --hosts 127.0.0.1 --ssh no-such-ssh
    stderr_has 'no command "no-such-ssh" here'
}

@test "many workers on one host: sshd drops none" {
    start_hosts
    sed -i 's/^MaxStartups.*/MaxStartups 10:100:10/' "$sshd_dir/0.conf"
    kill -HUP "${sshd_pids[0]}"
    within 20 sshd_listens 0 6 # it does so again
    hosts=127.0.0.1:14 ssh_train
    [ "$status" -eq 0 ]
}

# works_on RANK: it has pushed since it was started again.
works_on() {
    jq -s -e --argjson rank "$1" 'map(select(.rank == $rank)) |
        .[map(.event == "ready" and .life == 1) | index(true):] |
        any(.event == "push")' run/events.jsonl
}

@test "a worker that is killed there is replaced there" {
    start_hosts
    train_on "$hosts"
    kill -KILL "$(remote_workers | head -n 1)"
    wait_for run/events.jsonl '"event":"ready".*"life":1' 40
    rank=$(jq 'select(.event == "ready" and .life == 1).rank' run/events.jsonl)
    within 30 works_on "$rank"
    expect 0 ctl run stop --wait
    finish "$train"
    [ "$status" -eq 0 ]
    grep -q '"lost".*the worker was killed there.*"replace"' run/events.jsonl
    [ "$(grep -c 'Starting session: command' "$sshd_dir/0.log")" -eq 4 ]
    within 20 no_processes
}

@test "ebsp ctl adds a worker on another host" {
    start_hosts
    train_on 127.0.0.1 --set faults.max_workers=3
    expect 0 ctl run add-worker 127.0.0.2
    within 30 grep -q '"join".*"rank":1' run/events.jsonl
    [ "$(remote_workers | wc -l)" -eq 2 ]
    run_ebsp ctl run add-worker 'x;y'
    [ "$status" -eq 3 ]
    stderr_has 'got "x;y"'
    # no way there, or one that begins where nobody listens
    run_ebsp ctl run add-worker 192.0.2.7
    [[ $status = [35] && $stderr == *192.0.2.7* ]]
    expect 0 ctl run stop
    finish "$train"
    within 20 no_processes
}

# raw_job: a data set of 2 MiB and a bit, which takes several chunks.
raw_job() {
    mkdir data
    head -c 2200000 /dev/zero | tr '\0' 'a' >data/train.bin
    head -c 22000 /dev/zero | tr '\0' 'b' >data/test.bin
    perl -e 'print pack "C*", map { $_ % 3 } 0 .. 2199' >data/train-labels.bin
    perl -e 'print pack "C*", map { $_ % 3 } 0 .. 21' >data/test-labels.bin
    cat >data/set.json <<'END'
{"shape": [1000], "type": "uint8", "classes": 3,
 "train": {"x": "train.bin", "labels": "train-labels.bin"},
 "test": {"x": "test.bin", "labels": "test-labels.bin"}}
END
    blobs_job job.json '.input = [1000] | .epochs = 1 | .batch = 100 |
        .data = {"type": "raw", "path": "set.json"}'
}

# cached: the data sets that the hosts have; inode and size.
cached() {
    find "$sshd_dir/home/.cache/ebsp/data" -type f -size +0 -printf '%i %s\n'
}

@test "--remote-data-dir: the data set lies elsewhere there" {
    start_hosts
    raw_job
    cp -r data there
    hosts=127.0.0.1 ssh_train --data-dir data --remote-data-dir "$PWD/there"
    [ "$status" -eq 0 ]
    rm -r run
    hosts=127.0.0.1 ssh_train --data-dir data --remote-data-dir "$PWD/absent"
    [ "$status" -eq 3 ]
    stderr_has "no \"set.json\" in \"$PWD/absent\""
    rm -r run
    printf x | dd of=there/train.bin conv=notrunc status=none
    hosts=127.0.0.1 ssh_train --data-dir data --remote-data-dir "$PWD/there"
    [ "$status" -eq 3 ]
    stderr_has 'has other data: hash'
}

@test "--push-data: each host gets the data set once, and keeps it" {
    start_hosts
    raw_job
    # the folder of the data is not to be found there
    hosts=127.0.0.1:2,127.0.0.2 ssh_train --data-dir data --push-data \
        --remote-data-dir /no/such/folder
    [ "$status" -eq 0 ]
    cached >before
    [ "$(wc -l <before)" -eq 1 ]
    run_ebsp train job.json -r here -n 3 --data-dir data
    [ "$(hash_of run)" = "$(hash_of here)" ]
    # nothing is sent when it is there
    rm -r run
    ssh_train --data-dir data --push-data
    [ "$status" -eq 0 ]
    cached | diff before -
    # one that is damaged is noticed, and sent again
    rm -r run
    blob=$(find "$sshd_dir"/home/.cache -size +1000k)
    cp "$blob" good
    printf x | dd of="$blob" bs=1 seek=100000 conv=notrunc status=none
    ssh_train --data-dir data --push-data
    [ "$status" -eq 0 ]
    grep -q 'damaged.*removed' run/log
    [ "$(hash_of run)" = "$(hash_of here)" ]
    cmp good "$blob"
}

@test "a remote command that says nothing is named, and given up once" {
    local began=$SECONDS
    cat >silent <<'END'
#!/bin/sh
exec sleep 1000
END
    chmod +x silent
    run_ebsp train job.json -r run --ssh ./silent --hosts 127.0.0.1
    [ "$status" -eq 3 ]
    stderr_has 'for worker 0 (127.0.0.1): ssh runs, no greeting yet'
    stderr_has 'worker 0: 127.0.0.1: no word of "ebsp worker" within 20 s'
    [[ $stderr != *'starting it again'* ]]
    [ $((SECONDS - began)) -lt 50 ]
}
