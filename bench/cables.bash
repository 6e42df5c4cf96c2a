# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Machines for measurements: network namespaces joined by cables, as the tests
# make them (tests/tools/netns.bash), with rates that tests do not need, and an
# ebsp that starts its workers there.
#
#   source bench/cables.bash         after script.bash
#   make_netns 1                     coordinator and one worker
#   cable 0 10gbit                   its rate, both ways; "none": no limit
#   netns_train JOB ARG...           ebsp train, one worker in each
#   iperf_start; iperf_gbit [-R]     what TCP reaches there
#   median_of FILE                   of its numbers, one per line
# shellcheck disable=SC2154 # netns_... are of netns.bash
bench_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
find_ebsp
pids=()
within() { # SECONDS CMD...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.01
    done
}
# shellcheck source=/dev/null
source "$bench_dir/../tests/tools/netns.bash"
work=$(mktemp -d)
cd "$work" || exit 1
tidy() {
    kill "${pids[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap tidy EXIT

# A bucket holds what comes between two ticks of the kernel, and the queue what
# a router would keep: 2 ms.
cable() { # I RATE
    local burst=64kb
    case $2 in
    10gbit) burst=2mb ;;
    1gbit) burst=256kb ;;
    none)
        netns_rate "$1" none
        return
        ;;
    esac
    local shape=(replace root tbf rate "$2" burst "$burst" latency 2ms)
    netns_tc "$1" cable "${shape[@]}" && netns_tc c "to$1" "${shape[@]}"
}

# In the place of ssh: hosts are namespaces.
make_ssh() {
    local i
    {
        cat <<'END'
#!/bin/bash
while [ "$1" != -- ]; do shift; done
case $2 in
END
        for ((i = 0; i < ${#netns_holders[@]} - 1; i++)); do
            echo "$(netns_address "$i")) pid=$(netns_pid "$i") ;;"
        done
        cat <<'END'
esac
exec nsenter --net="/proc/$pid/ns/net" -- bash -c "${*:3}"
END
    } >ssh
    chmod +x ssh
}

netns_train() { # JOB ARG...
    local hosts='' i
    make_ssh
    for ((i = 0; i < ${#netns_holders[@]} - 1; i++)); do
        hosts+=${hosts:+,}$(netns_address "$i")
    done
    rm -rf run
    in_netns c "$EBSP" train "$1" -q -r run --listen "$netns_listen" \
        --hosts "$hosts" --ssh "$work/ssh" --remote-path "$EBSP" --servers 0 "${@:2}" >log 2>&1 || {
        cat log >&2
        return 1
    }
}

# iperf_start; iperf_gbit [-R]: Gbit/s of one stream from worker 0 to the
# coordinator, -R: back.  Its server is busy for a moment after each.
iperf_start() {
    in_netns c setpriv --pdeathsig KILL iperf3 -s >/dev/null 2>&1 &
    pids+=($!)
}
iperf_gbit() { within 10 iperf_once "$@"; }
iperf_once() {
    in_netns 0 iperf3 -c "$netns_listen" -C cubic -t 3 -O 1 -J "$@" |
        jq -e '.end.sum_received.bits_per_second / 1e9' 2>/dev/null
}

median_of() { sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
