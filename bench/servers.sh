#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Parameter servers against a single one: 8 workers on 4 hosts, which are
# network namespaces at one switch, 1 Gbit/s each way and host.  Workers answer
# at once (--echo), so the time between updates is that of push, update and
# pull.  Needs root, iproute2, jq and ebsp (EBSP=PATH, or ./ebsp).
#
#   bench/servers.sh [--quick]       a table, and JSON in servers.json
#
# PARAMS, RATE, ROUNDS, RUNS and WAYS ("insecure" or "tls", or both) change what
# is measured; the kinds are taken in turn, RUNS times.
set -euo pipefail

if [ "${1:-}" = --quick ]; then RUNS=1; fi
ebsp=$(readlink -f "${EBSP:-ebsp}")
params=${PARAMS:-10000000} rate=${RATE:-1gbit} rounds=${ROUNDS:-4} runs=${RUNS:-5}
read -ra ways <<<"${WAYS:-insecure tls}"
kinds=(0 1 4) # parameter servers; 0: the coordinator itself
warm_up=2     # updates that are not counted

skip() { echo "$0: skipped: $*" >&2 && exit 0; }
for tool in ip tc nsenter unshare setpriv jq; do
    command -v "$tool" >/dev/null || skip "needs: $tool"
done
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
unshare -n true 2>/dev/null || skip "network namespaces are not permitted"
out=$PWD/servers.json
cd "$(mktemp -d)"
holders=()
trap 'kill "${holders[@]}" 2>/dev/null || true; rm -rf "$PWD"' EXIT

# ---- hosts ----

# A namespace lives as long as the process that holds it.
hold() {
    setpriv --pdeathsig KILL unshare -n sleep infinity &
    holders+=($!)
    until [ "$(readlink "/proc/$!/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
        sleep 0.01
    done
    within $! ip link set lo up
}
within() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
slow() { # PID DEVICE
    within "$1" tc qdisc replace dev "$2" root tbf rate "$rate" burst 256kb latency 50ms
}

hold # the switch
switch=${holders[0]}
within "$switch" ip link add hub type bridge
within "$switch" ip link set hub up
for i in 1 2 3 4; do
    hold
    host=${holders[$i]}
    within "$switch" ip link add "port$i" type veth peer name cable netns "$host"
    within "$switch" ip link set "port$i" master hub
    within "$switch" ip link set "port$i" up
    within "$host" ip address add "10.79.0.$i/24" dev cable
    within "$host" ip link set cable up
    slow "$switch" "port$i"
    slow "$host" cable
done

# Instead of ssh: ssh OPTIONS -- ADDRESS COMMAND...
cat >ssh <<END
#!/usr/bin/env bash
while [ "\$1" != -- ]; do shift; done
holders=(${holders[*]})
exec nsenter --net="/proc/\${holders[\${2##*.}]}/ns/net" -- bash -c "\${*:3}"
END
chmod +x ssh

# ---- one run ----

jq -n --argjson n "$params" --argjson r $((rounds + warm_up + 1)) '{
    name: "servers", input: [1000], layers: [
        {type: "dense", name: "parameters", units: ($n / 1000 | floor), bias: false},
        {type: "dense", name: "out", units: 2}, {type: "softmax_cross_entropy"}],
    data: {type: "blobs", classes: 2, features: 1000, train: ($r * 8), test: 1},
    batch: 1, epochs: 1, eval_every: 0, optimizer: {type: "sgd", lr: 0.01},
    policy: "bsp", workers: 8}' >job.json

# Median time between updates, in milliseconds.
measure() { # WAY SERVERS
    local how=()
    [ "$1" = tls ] || how=(--insecure)
    rm -rf run
    within "${holders[1]}" "$ebsp" train job.json -r run -q --echo \
        --hosts local:2,10.79.0.2:2,10.79.0.3:2,10.79.0.4:2 \
        --ssh "$PWD/ssh" --remote-path "$ebsp" --listen 10.79.0.1 \
        --servers "$2" "${how[@]}" 2>log || { cat log >&2 && exit 1; }
    jq -n --argjson skip "$warm_up" '
        [inputs | select(.event == "commit") | .t][$skip:] |
        [range(1; length) as $i | .[$i] - .[$i - 1]] | sort |
        .[length / 2 | floor] * 1000' run/events.jsonl
}

for way in "${ways[@]}"; do
    for ((i = 0; i < runs; i++)); do
        for k in "${kinds[@]}"; do
            printf '{"way": "%s", "servers": %d, "ms": %s}\n' \
                "$way" "$k" "$(measure "$way" "$k")"
        done
    done
done >all
jq -s --argjson params "$params" --arg rate "$rate" '
    {params: $params, rate: $rate, workers: 8, hosts: 4, kinds: (
        group_by([.way, .servers]) | map({way: .[0].way, servers: .[0].servers,
            runs: length, median_ms: (map(.ms) | sort | .[length / 2 | floor])}))}
    | .kinds as $all | .kinds |= map(.way as $w | .ratio =
        (first($all[] | select(.way == $w and .servers == 0)).median_ms / .median_ms))' \
    all >"$out"
echo "| connections | servers | push + update + pull, ms | against none |"
echo "|---|---|---|---|"
jq -r '.kinds[] | "| \(.way) | \(if .servers == 0 then "none" else .servers end) | \(.median_ms | round) | \(.ratio * 100 | round / 100) |"' "$out"
