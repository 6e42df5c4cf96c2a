#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Training over ssh between machines that are network namespaces, through
# cables that are slow or pulled out.
load ebsp
load jobs
load ../tools/sshd
load ../tools/netns

setup() {
    ebsp_setup
    need_netns
}
teardown() { sshd_teardown; }

# machines N: with an sshd in each; sets $hosts.
machines() {
    local i
    need_sshd
    make_netns "$1"
    hosts=
    for ((i = 0; i < $1; i++)); do
        start_sshd --netns "$(netns_pid "$i")" "$(netns_address "$i")"
        hosts+=${hosts:+,}$(netns_address "$i")
    done
}

# cluster_train ARG...: in the coordinator's namespace.
cluster_train() {
    in_netns c "$EBSP" train "$@" --hosts "$hosts" --ssh "$sshd_client"
}

reaches() { # FROM ADDRESS PORT
    in_netns "$1" timeout 1 bash -c ": <>/dev/tcp/$2/$3" 2>/dev/null
}

@test "a cable carries, is pulled out and put back" {
    need_sshd
    make_netns 2
    start_sshd --netns "$(netns_pid c)" "$netns_listen"
    reaches 0 "$netns_listen" "$sshd_port"
    reaches 1 "$netns_listen" "$sshd_port"
    netns_down 0
    run ! reaches 0 "$netns_listen" "$sshd_port"
    reaches 1 "$netns_listen" "$sshd_port"
    netns_up 0
    within 10 reaches 0 "$netns_listen" "$sshd_port"
    # Nobody outside sees any of it.
    run ! ip link show to0
}

@test "a cable can be slow" {
    need_sshd
    make_netns 1
    start_sshd --netns "$(netns_pid c)" "$netns_listen"
    netns_rate 0 8mbit # a MiB takes one second
    start=${EPOCHREALTIME/./}
    # shellcheck disable=SC2086 # a command with arguments
    in_netns 0 $sshd_client "$netns_listen" head -c 1048576 /dev/zero >got
    took=$((${EPOCHREALTIME/./} - start))
    [ "$(stat -c %s got)" -eq 1048576 ]
    echo "$took us"
    [ "$took" -ge 800000 ]
    netns_rate 0 none
}
