#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# ebsp check: real sshds, hosts with something wrong, and nobody left behind.
load ebsp
load jobs
load ../tools/sshd
load ../tools/netns

setup() {
    ebsp_setup
    blobs_job job.json
}
teardown() { sshd_teardown; }

hosts=127.0.0.1,127.0.0.2,127.0.0.3

start_hosts() {
    need_sshd
    start_sshd 127.0.0.1 127.0.0.2 127.0.0.3
}

# ssh_check ARG...: the hosts in $hosts.
ssh_check() {
    run_ebsp check job.json --ssh "$sshd_client" --hosts "$hosts" "$@"
}
# json_check ARG...: the same, what it prints in check.json.
json_check() {
    ssh_check --json "$@"
    echo "$output" >check.json
}
# finding HOST SUBJECT TEXT: a line of the table that says so.  Text may be
# broken into lines anywhere.
finding() {
    tr -s ' \n' ' ' <<<"$output" | grep -qF -- " $1: $2: $3" && return
    echo "no '$1: $2: $3' in:"
    echo "$output"
    return 1
}
clients() { pgrep -f "^ssh -F $sshd_dir/ssh_config" || true; }
# Of sshd's own processes nothing is asked.
sshd_commands() {
    local pid
    for pid in $(sshd_sessions); do
        grep -qs sshd "/proc/$pid/comm" || echo "$pid"
    done
}
no_processes() { [ -z "$(leftovers)$(clients)$(sshd_commands)" ]; }

# impostor SCRIPT: what the hosts run instead of ebsp.
impostor() {
    printf '#!/bin/sh\n%s\n' "$1" >impostor
    chmod +x impostor
}
# As this one greets, whatever its protocol.
greeting="echo '$("$EBSP" worker --join-from-stdin </dev/null 2>/dev/null | grep '^ebsp-worker')'"

# A data set of files, tiny; the job wants it.
data_on_disk() {
    mkdir data
    head -c 600 /dev/zero | tr '\0' 'a' >data/x.bin
    perl -e 'print pack "C*", map { $_ % 3 } 0 .. 59' >data/labels.bin
    cat >data/set.json <<'END'
{"shape": [10], "type": "uint8", "classes": 3,
 "train": {"x": "x.bin", "labels": "labels.bin"},
 "test": {"x": "x.bin", "labels": "labels.bin"}}
END
    blobs_job job.json '.input = [10] | .batch = 10 | .epochs = 1 |
        .data = {"type": "raw", "path": "set.json"}'
}

@test "three hosts with nothing wrong: two tables of 80 columns, status 0" {
    start_hosts
    ssh_check
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    echo "$output" >table
    run ! grep -E '^.{81}' table
    # a line for each host, and one for each pair with the one in front
    local host
    for host in local ${hosts//,/ }; do
        grep -qE "^$host  +(\(here\)|ok|warning) " table
    done
    [ "$(grep -cE '^127[^ ]* +(local|127[^ ]*) .* ms .*B/s .*B/s$' table)" \
        -eq 6 ]
    run ! grep -q '^error' table
    within 20 no_processes
}

@test "this machine alone; more threads than it has processors" {
    run_ebsp check job.json --json
    [ "$status" -eq 0 ]
    echo "$output" >check.json
    json_true check.json '(.hosts | length) == 1 and .hosts[0].workers == 2
        and .hosts[0].host == "local" and .links == []
        and .hosts[0].data.same and .hosts[0].compute.samples_per_s > 0'
    expect 0 check job.json -n 3 --threads 1024
    finding local processors '3 workers with 1024 threads each, but'
    [ "$(find . -name '*.safetensors' -o -name runs)" = '' ]
}

@test "--json: the keys of the manual, and no others" {
    start_hosts
    json_check
    [ "$status" -eq 0 ]
    json_true check.json '.exit_status == 0 and (.links | length) == 6 and
        (.hosts | map(.host)) ==
            ["local", "127.0.0.1", "127.0.0.2", "127.0.0.3"] and
        all(.hosts[]; .protocol == null and (.cpu.features | type) == "array"
            and .memory_bytes.total > .memory_bytes.available
            and (.clock.offset_s | fabs) <= 1 and .clock.error_s < 1) and
        all(.hosts[1:][]; .data.same and .compute.step_s > 0) and
        all(.links[]; .measured and (.encrypted | not) and .error == null
            and .roundtrip_min_s <= .roundtrip_s and .there_bytes_per_s > 0)'
    # one finding at least, so that all keys are there
    json_check --threads 1024
    json check.json '[paths | map(strings) | last | values] | unique | .[]' |
        sort -u >have
    sed -n '/object has these keys/,/^=head1 EXIT/p' \
        "$EBSP_SRCDIR/man/ebsp-check.1.pod" | grep -oE 'C<[a-z_]+>' |
        tr -d 'C<>' | grep -vxE 'null|ok|warning|error' | sort -u >told
    sed -i '/^error$/d' have # a key, but a verdict as well
    diff have told
}

@test "a slow host is named, and nobody else" {
    start_hosts
    json_check --slow 1:50
    [ "$status" -eq 0 ]
    json_true check.json '(.hosts | map(select(.findings[].subject ==
            "slow node") | .host)) | index("127.0.0.2") != null'
    json_true check.json '.hosts[2].compute.slowdown > 10 and
        .hosts[2].compute.slowdown > 5 * .hosts[1].compute.slowdown and
        .hosts[2].compute.slowdown > 5 * .hosts[3].compute.slowdown and
        ([.hosts[1:][].compute.slowdown] | sort | .[1]) == 1'
    ssh_check --slow 2:50
    finding 127.0.0.3 'slow node' 'computes a mini-batch in'
    expect 2 check job.json -n 3 --slow 3:2
}

@test "data: missing, other, elsewhere, to be sent, sent before" {
    start_hosts
    data_on_disk
    hosts=127.0.0.1
    json_check --data-dir data --remote-data-dir "$PWD/absent"
    [ "$status" -eq 3 ]
    stderr_has "127.0.0.1: data: "
    stderr_has set.json
    json_true check.json '.exit_status == 3 and .verdict == "error" and
        .hosts[1].data.hash == null and .hosts[1].compute.step_s == null'
    cp -r data there
    ssh_check --data-dir data --remote-data-dir "$PWD/there"
    [ "$status" -eq 0 ]
    printf x | dd of=there/x.bin conv=notrunc status=none
    ssh_check --data-dir data --remote-data-dir "$PWD/there"
    [ "$status" -eq 3 ]
    finding 127.0.0.1 data 'has other data: hash'
    grep -qE '^127.0.0.1 +error .* other ' <<<"$output"

    # the cache is empty, and stays so; the speed is known all the same
    json_check --data-dir data --push-data --remote-data-dir /no/such/folder
    [ "$status" -eq 0 ]
    json_true check.json '.hosts[1].data.to_send and
        .hosts[1].compute.step_s > 0 and .hosts[1].data.hash == null'
    [ ! -e "$sshd_dir/home/.cache/ebsp" ]
    expect 0 train job.json -r run --ssh "$sshd_client" --hosts "$hosts" \
        --data-dir data --push-data
    json_check --data-dir data --push-data
    json_true check.json '(.hosts[1].data.to_send | not) and
        .hosts[1].data.same'

    rm -r data
    expect 3 check job.json
    within 20 no_processes
}

@test "a host that cannot be reached, one of another protocol: others go on" {
    start_hosts
    hosts=127.0.0.1,127.0.0.9,127.0.0.3 ssh_check
    [ "$status" -eq 5 ]
    finding 127.0.0.9 start 'ssh cannot connect: no sshd answers there'
    stderr_has '127.0.0.9: start: ssh cannot connect'
    grep -qE '^127.0.0.9 +local +not measured' <<<"$output"
    grep -qE '^127.0.0.1 +127.0.0.3 .* ms' <<<"$output"
    grep -qE '^127.0.0.3 +(ok|warning) .* same ' <<<"$output"

    impostor "echo 'ebsp-worker 7 9.3.0'; cat >'$PWD/told'"
    hosts=127.0.0.2 ssh_check --remote-path "$PWD/impostor"
    [ "$status" -eq 6 ]
    finding 127.0.0.2 start \
        '127.0.0.2 runs ebsp 9.3.0 (protocol 7), this is'
    [ ! -s told ]
    hosts=nobody-at-all@127.0.0.2 ssh_check
    [ "$status" -eq 6 ]
    finding nobody-at-all@127.0.0.2 start 'ssh cannot connect: "ssh -F '
    grep -qE '^nobody-a..7.0.0.2 +error ' <<<"$output"
    hosts=127.0.0.2 ssh_check --remote-path no-such-ebsp
    [ "$status" -eq 3 ]
    finding 127.0.0.2 start 'no "no-such-ebsp" there: install ebsp'
    within 20 no_processes
}

@test "a host that talks nonsense, says nothing more, or ends" {
    start_hosts
    hosts=127.0.0.1
    impostor "$greeting; echo ebsp-probe cpus many; cat >/dev/null"
    ssh_check --remote-path "$PWD/impostor"
    [ "$status" -eq 6 ]
    finding 127.0.0.1 probe 'a probe says cpus "many"'

    impostor "$greeting; echo ebsp-probe ready; echo ebsp-probe done data
        cat >/dev/null"
    ssh_check --remote-path "$PWD/impostor"
    [ "$status" -eq 6 ]
    finding 127.0.0.1 probe 'a probe says "ebsp-probe done data", which'

    impostor "$greeting; echo ebsp-probe ready; echo why >&2; exit 3"
    ssh_check --remote-path "$PWD/impostor"
    [ "$status" -eq 3 ]
    finding 127.0.0.1 clock 'ended with exit status 3'
    stdout_has '| why'
    [[ $output != *'| ebsp-'* ]]

    impostor "$greeting; exec sleep 1000"
    ssh_check --remote-path "$PWD/impostor"
    [ "$status" -eq 5 ]
    finding 127.0.0.1 start 'not ready within 10 s'
    within 20 no_processes
}

@test "--listen: encrypted links; an address that is not ours is an error" {
    start_hosts
    json_check --listen 127.0.0.9
    [ "$status" -eq 0 ]
    json_true check.json 'all(.links[]; .measured and .encrypted)'
    json_check --listen 127.0.0.9 --insecure
    json_true check.json 'all(.links[]; .measured and (.encrypted | not))'
    hosts=127.0.0.1 ssh_check --listen 192.0.2.7
    [ "$status" -eq 5 ]
    finding 127.0.0.1 network 'no connection to this machine: '
}

@test "between machines: encrypted, and a slow cable is told" {
    need_netns
    need_sshd
    make_netns 2
    start_sshd --netns "$(netns_pid 0)" "$(netns_address 0)"
    start_sshd --netns "$(netns_pid 1)" "$(netns_address 1)"
    netns_rate 1 8mbit
    # 600 KB of parameters, a mini-batch of a few milliseconds
    blobs_job job.json '.layers[0].units = 12000'
    run --separate-stderr nsenter --net="/proc/$(netns_pid c)/ns/net" -- \
        "$EBSP" check job.json --json --ssh "$sshd_client" \
        --hosts "$(netns_address 0),$(netns_address 1)"
    echo "$output" >check.json
    [ "$status" -eq 0 ]
    json_true check.json 'all(.links[]; .encrypted) and
        all(.links[:2][]; .measured and .to == "local") and
        (.links[1] | .there_bytes_per_s < 2e6 and .back_bytes_per_s < 2e6
            and .there_bytes_per_s > 1e5) and
        .links[0].there_bytes_per_s > 4 * .links[1].there_bytes_per_s and
        any(.hosts[2].findings[]; .subject == "network" and
            (.text | endswith("the network limits")))'
    # the two have no way to each other; nobody needs one
    json_true check.json '(.links[2].measured | not) and
        any(.hosts[1].findings[]; .subject == "network" and
            .verdict == "warning" and
            (.text | startswith("no connection to '"$(netns_address 1)"'")))'
    json check.json .links[2].error
}

@test "Ctrl-C, and kill -9, leave nobody" {
    start_hosts
    impostor "$greeting; exec sleep 1000"
    local signal
    for signal in INT KILL; do
        # bats ignores SIGINT in what runs in the background
        bg log env --default-signal=INT "$EBSP" check job.json \
            --ssh "$sshd_client" --hosts "$hosts,local" \
            --remote-path "$PWD/impostor" -v
        within 20 sleepers
        kill -"$signal" "$!"
        finish "$!" 8
        [ "$status" -eq $((128 + $(kill -l "$signal"))) ]
        within 20 no_processes
    done
}
# All three hosts run the impostor.
sleepers() {
    local n=0 pid
    for pid in $(sshd_commands); do
        ! grep -qs sleep "/proc/$pid/comm" || n=$((n + 1))
    done
    [ "$n" -eq 3 ]
}
