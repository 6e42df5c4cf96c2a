# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Machines of a test's own: network namespaces, each worker's joined to the
# coordinator's by a cable (veth) that can be slow or pulled out.
#
#   load ../tools/netns
#   need_netns                skips, with the reason, where it is not permitted
#   make_netns 3              the coordinator's and those of workers 0, 1, 2
#   in_netns c CMD...         in the coordinator's; in_netns 1 CMD... in another
#   netns_rate 1 2mbit        both ways of its cable
#   netns_down 1; netns_up 1  the worker's end of it
#
# The coordinator's address is $netns_listen, a worker's $(netns_address I).
# A namespace lives as long as the process that holds it, which dies with the
# test, however that ends; cables go with their namespaces.  So nothing has a
# name in the system and nothing needs to be taken away.
netns_listen=10.77.0.1
netns_holders=() # process ids; the coordinator's is the last

need_netns() {
    local tool
    for tool in ip tc nsenter unshare setpriv; do
        command -v "$tool" >/dev/null || skip "needs: $tool"
    done
    [ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
    unshare -n true 2>/dev/null || skip "network namespaces are not permitted"
}

netns_address() { echo "10.77.$(($1 + 1)).2"; }

# netns_pid I|c: whose namespace it is.
netns_pid() {
    [ "$1" = c ] && set -- -1
    echo "${netns_holders[$1]}"
}

# in_netns I|c CMD...: becomes CMD where it can, so that signals reach that.
in_netns() {
    local pid
    pid=$(netns_pid "$1")
    shift
    nsenter --net="/proc/$pid/ns/net" -- "$@"
}

netns_hold() {
    setpriv --pdeathsig KILL unshare -n sleep infinity \
        </dev/null >/dev/null 2>&1 3>&- 4>&- &
    netns_holders+=($!)
    pids+=($!)
    within 10 netns_is_new $!
    nsenter --net="/proc/$!/ns/net" -- ip link set lo up
}
netns_is_new() {
    [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# make_netns N
make_netns() {
    local i
    for ((i = 0; i <= $1; i++)); do netns_hold; done
    for ((i = 0; i < $1; i++)); do
        in_netns c ip link add "to$i" type veth \
            peer name cable netns "$(netns_pid "$i")" 2>netns.log ||
            skip "no veth here: $(<netns.log)"
        # One address for all cables: that to which workers connect.
        in_netns c ip address add "$netns_listen" \
            peer "$(netns_address "$i")" dev "to$i"
        in_netns "$i" ip address add "$(netns_address "$i")" \
            peer "$netns_listen" dev cable
        in_netns c ip link set "to$i" up
        in_netns "$i" ip link set cable up
    done
}

# netns_rate I RATE: as tc(8) writes it, "8mbit"; "none": no limit, whether
# there was one or not.
netns_rate() {
    local shape=(replace root tbf rate "$2" burst 16kb latency 200ms)
    [ "$2" != none ] || shape=(replace root noqueue)
    netns_tc "$1" cable "${shape[@]}" && netns_tc c "to$1" "${shape[@]}"
}
netns_tc() { # I|c DEVICE VERB ROOT...
    in_netns "$1" tc qdisc "$3" dev "$2" "${@:4}" 2>netns.log ||
        skip "tc: $(<netns.log)"
}

netns_down() { in_netns "$1" ip link set cable down; }
netns_up() { in_netns "$1" ip link set cable up; }
