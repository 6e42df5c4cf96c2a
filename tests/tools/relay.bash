# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A bad network for a test: relay.c behind bash functions.  It dies with the
# test.
#
#   load ../tools/relay           after `load ebsp`
#   start_relay "a b" [RULE]...   links a and b; $relay_dir has ports, control
#                                 and what was sent: a.0.up, a.0.down, ...
#   stop_relay                    as when its machine goes down
#   relay_port a                  the port of a link
#   relay a stall 100             a command, carried out when this returns
#   relay_said 'a.0 accepted'     it has told so; for `within` or at once
#   "$EBSP" train j.json "${relay_hosts[@]}"
#                                 worker 0 is behind the first link, and so on
relay_tools=$EBSP_BUILDDIR/tests/tools
relay_dir=

# start_relay "LINK..." [RULE]...
start_relay() {
    local links=() rules=() rule
    read -ra links <<<"$1"
    shift
    for rule; do rules+=(-e "$rule"); done
    relay_dir=$BATS_TEST_TMPDIR/relay
    # shellcheck disable=SC2034 # for the test that loads this
    relay_hosts=(--listen 127.0.0.1 --hosts "$(IFS=, && echo "${links[*]}")"
        --ssh "$relay_tools/ssh-relay $relay_dir")
    mkdir -p "$relay_dir"
    [ -p "$relay_dir/control" ] || mkfifo "$relay_dir/control"
    # Open for reading and writing, so that no writer's end is its own.
    setpriv --pdeathsig KILL "$relay_tools/relay" -r "$relay_dir" \
        "${rules[@]}" "${links[@]}" <>"$relay_dir/control" \
        >"$relay_dir/ports" 2>&1 3>&- 4>&- &
    relay_pid=$!
    pids+=("$relay_pid")
    wait_for "$relay_dir/ports" "^port ${links[-1]} "
}

# stop_relay: so that another can be started.
stop_relay() {
    kill "$relay_pid" && ended "$relay_pid"
    rm -r "$relay_dir"
}

relay_port() { sed -n "s/^port $1 //p" "$relay_dir/ports"; }

relay_said() { grep -qs -e "$1" "$relay_dir/ports"; }

# relay RULE: waits until it is told done.
relay() {
    local before
    before=$(grep -cxF "done: $*" "$relay_dir/ports") || true
    printf '%s\n' "$*" >"$relay_dir/control"
    within 10 relay_has_done "$before" "$*" && return
    echo "relay: $*: not done:"
    cat "$relay_dir/ports"
    return 1
}
relay_has_done() { [ "$(grep -cxF "done: $2" "$relay_dir/ports")" -gt "$1" ]; }

# listening_port PID: a port where it listens.
listening_port() {
    ss -Htnlp | sed -n "s/.*127.0.0.1:\([0-9]*\) .*[(,]pid=$1,.*/\1/p" |
        head -n 1
}
