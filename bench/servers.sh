#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Parameter servers against a single one: 8 workers on 4 hosts, which are
# network namespaces at one switch, 1 Gbit/s each way and host.  Workers answer
# at once (--echo), so the time between updates is that of push, update and
# pull.
#
#   bench/servers.sh [--quick]
#
# The environment changes what is measured: PARAMS (default 10000000), RATE
# (1gbit), ROUNDS (updates, 4), RUNS (5; --quick: 1) and WAYS ("insecure tls").
# The kinds are taken in turn, RUNS times; the first run that fails ends it all.
# Needs root, iproute2, jq and ebsp (EBSP=PATH, or ./ebsp).  Prints a table and
# leaves the figures as JSON in OUT (default bench-results), servers.json.

set -euo pipefail
# shellcheck source=bench/script.bash
source "$(dirname "$0")/script.bash"
for arg; do
    case $arg in
    --help | -h) usage && exit ;;
    --quick) RUNS=1 ;;
    *) refuse "unknown argument \"$arg\"" ;;
    esac
done
params=${PARAMS:-10000000} rate=${RATE:-1gbit} rounds=${ROUNDS:-4} runs=${RUNS:-5}
read -ra ways <<<"${WAYS:-insecure tls}"
for number in "$params" "$rounds" "$runs"; do
    [[ $number =~ ^[1-9][0-9]*$ ]] ||
        refuse "PARAMS, ROUNDS, RUNS: expected a number, got \"$number\""
done
if [ "$rate" = none ] || ! is_rate "$rate"; then
    refuse "RATE: expected one as tc writes it, got \"$rate\""
fi
for way in "${ways[@]}"; do
    [[ $way =~ ^(insecure|tls)$ ]] ||
        refuse "WAYS: expected insecure, tls or both, got \"$way\""
done
begin servers
find_ebsp
kinds=(0 1 4) # parameter servers; 0: the coordinator itself
warm_up=2     # updates that are not counted

for tool in ip tc nsenter unshare setpriv jq; do
    command -v "$tool" >/dev/null || skip "needs: $tool"
done
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
unshare -n true 2>/dev/null || skip "network namespaces are not permitted"
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
    within "${holders[1]}" "$EBSP" train job.json -r run -q --echo \
        --hosts local:2,10.79.0.2:2,10.79.0.3:2,10.79.0.4:2 \
        --ssh "$PWD/ssh" --remote-path "$EBSP" --listen 10.79.0.1 \
        --servers "$2" "${how[@]}" 2>log || { cat log >&2 && exit 1; }
    jq -n --argjson skip "$warm_up" '
        [inputs | select(.event == "commit") | .t][$skip:] |
        [range(1; length) as $i | .[$i] - .[$i - 1]] | sort |
        .[length / 2 | floor] * 1000' run/events.jsonl
}

for way in "${ways[@]}"; do
    for ((i = 0; i < runs; i++)); do
        for k in "${kinds[@]}"; do
            ms=$(measure "$way" "$k") # by itself, so that a failure counts
            printf '{"way": "%s", "servers": %d, "ms": %s}\n' "$way" "$k" "$ms"
        done
    done
done >all
jq -es --argjson params "$params" --arg rate "$rate" '
    {benchmark: "servers", params: $params, rate: $rate, workers: 8, hosts: 4, kinds: (
        group_by([.way, .servers]) | map({way: .[0].way, servers: .[0].servers,
            runs: length, median_ms: (map(.ms) | sort | .[length / 2 | floor])}))}
    | .kinds as $all | .kinds |= map(.way as $w | .ratio =
        (first($all[] | select(.way == $w and .servers == 0)).median_ms / .median_ms))' \
    all >"$results"
echo "| connections | servers | push + update + pull, ms | against none |"
echo "|---|---|---|---|"
jq -r '.kinds[] | "| \(.way) | \(if .servers == 0 then "none" else .servers end) | \(.median_ms | round) | \(.ratio * 100 | round / 100) |"' "$results"
