#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# The bad network of other tests, as a process: real sockets and its commands.
# What it does to the bytes is tested by tests/unit/test_relay.c.
# shellcheck disable=SC2016 # the shell of ssh-relay expands variables
load ebsp
load ../tools/relay

setup() {
    ebsp_setup
    requires command -v setpriv
    bg echo.log "$relay_tools/strangers" echo
    wait_for echo.log "^port "
    target=$(sed -n 's/^port //p' echo.log)
}

# A conversation through the relay: descriptor 5.
connect() { exec 5<>"/dev/tcp/127.0.0.1/$(relay_port "$1")"; }
disconnect() { exec 5>&-; }
says() { printf '%s\n' "$1" >&5; }
hears() { # TEXT: the next line, within 10 s
    local line
    read -r -t 10 -u 5 line
    [ "$line" = "$1" ] || { echo "heard '$line', expected '$1'" && return 1; }
}
hears_end() { # the connection ends or breaks, within 10 s
    local rc=0
    read -r -t 10 -u 5 _ 2>/dev/null || rc=$?
    [ "$rc" -eq 1 ]
}

@test "bytes pass both ways, and so does the end" {
    start_relay a
    relay target 127.0.0.1 "$target"
    connect a
    says hello
    hears hello
    disconnect
    within 10 relay_said '^a.0 closed (up 6, down 6)'
}

@test "connections wait for a target" {
    start_relay "a b"
    connect b
    says early
    within 10 relay_said '^b.0 accepted'
    relay target 127.0.0.1 "$target"
    hears early
    disconnect
}

@test "a delay is felt both ways" {
    local start
    start_relay a "a up delay 150" "a down delay 150"
    relay target 127.0.0.1 "$target"
    connect a
    start=${EPOCHREALTIME/./}
    says x
    hears x
    [ $((${EPOCHREALTIME/./} - start)) -ge 300000 ]
    disconnect
}

@test "reset, close and half end what is there, not what comes later" {
    start_relay a
    relay target 127.0.0.1 "$target"
    for how in reset close half; do
        connect a
        says "$how"
        hears "$how"
        relay a "$how"
        hears_end
        disconnect
    done
    within 10 relay_said '^a.0 reset (up 6, down 6)'
    within 10 relay_said '^a.1 closed (up 6, down 6)'
    within 10 relay_said '^a.2 closed (up 5, down 5)'
}

@test "an event at a place hits each connection there, or one of them" {
    start_relay a "a up corrupt 5 at 1" "a.1 down reset at 3"
    relay target 127.0.0.1 "$target"
    connect a
    says abcd
    hears aBcd
    disconnect
    connect a
    says abcd
    hears_end
    disconnect
    within 10 relay_said '^a.1 down reset 0 at 3'
    relay a clear
    connect a
    says abcd
    hears abcd
    disconnect
}

@test "a stalled connection holds everything until resume, others go on" {
    start_relay "a b"
    relay target 127.0.0.1 "$target"
    connect a
    relay a stall
    says hello
    exec 6<>"/dev/tcp/127.0.0.1/$(relay_port b)"
    echo other >&6
    read -r -t 10 -u 6 line
    [ "$line" = other ]
    exec 6>&-
    run ! relay_said '^a.0 closed'
    relay a resume
    hears hello
    disconnect
}

@test "a stall at a place in one direction stops both, once" {
    start_relay a "a.0 stall 300 at 4"
    relay target 127.0.0.1 "$target"
    connect a
    says "abcdefgh" # comes back through the same place
    hears "abcdefgh"
    disconnect
    [ "$(grep -c 'stall 300 at 4' relay/ports)" -eq 1 ]
    relay a stall 1000
    connect a
    says hello
    hears hello
    disconnect
}

@test "a link that refuses, and accepts again" {
    start_relay a
    relay target 127.0.0.1 "$target"
    relay a refuse
    connect a
    hears_end
    disconnect
    relay a accept
    connect a
    says hello
    hears hello
    disconnect
}

@test "what each side sends can be kept and sent again" {
    start_relay a "a down corrupt at 0"
    relay target 127.0.0.1 "$target"
    connect a
    says hello
    hears iello
    disconnect
    within 10 relay_said '^a.0 closed'
    [ "$(cat relay/a.0.up)" = hello ]
    [ "$(cat relay/a.0.down)" = hello ]
}

@test "wrong commands are told, and the relay goes on" {
    start_relay a
    printf 'frobnicate\nb reset\na delay\n\n# nothing\n' >relay/control
    relay target 127.0.0.1 "$target"
    [ "$(grep -c '^error: ' relay/ports)" -eq 3 ]
    run -2 "$relay_tools/relay" -e "a explode" a
}

@test "ssh-relay runs the command as sshd would, and tells its end" {
    start_relay node
    ssh=("$relay_tools/ssh-relay" "$relay_dir" -T -oBatchMode=yes --)
    run -0 "${ssh[@]}" me@node 'echo $((1 + 1)); exit 0' </dev/null
    [ "$output" = 2 ]
    run -7 "${ssh[@]}" node exit 7 </dev/null
    run -255 "${ssh[@]}" node 'kill -KILL $$' </dev/null
    run -0 "${ssh[@]}" node cat <<<"input"
    [ "$output" = input ]
    run -255 "${ssh[@]}" node
    # A command that does not wait for its input.
    mkfifo never
    exec 7<>never
    run -127 "${ssh[@]}" node no-such-program --join-from-stdin <&7
    exec 7>&-
}

@test "ssh-relay puts the relay between a worker and its coordinator" {
    requires command -v jq
    start_relay node
    echo '{"host": "127.0.0.1", "port": 4711, "key": "x"}' >text
    { echo "ebsp-join 1 $(stat -c %s text)" && cat text; } >input
    run -0 "$relay_tools/ssh-relay" "$relay_dir" -- node \
        'read -r _ _ n; head -c "$n"; true --join-from-stdin' \
        <input
    [ "$(jq -c '[.host, .port, .key]' <<<"$output")" = \
        "[\"127.0.0.1\",$(relay_port node),\"x\"]" ]
    within 10 relay_said '^done: target 127.0.0.1 4711'
}
