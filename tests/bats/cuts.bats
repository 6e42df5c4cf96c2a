#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Training through a bad network: what it does to the bytes may cost time, never
# a sample, never the run.  Offsets are random, from a seed that is told.
load ebsp
load jobs
load ../tools/relay

setup() {
    ebsp_setup
    requires command -v setpriv
    requires command -v jq
    RANDOM=${EBSP_TEST_SEED:-3}
    echo "EBSP_TEST_SEED=${EBSP_TEST_SEED:-3}"
    epochs=4
    blobs_job j.json '.faults = {min_silence: 1, max_silence: 3, rejoin: 5}'
}

# between A B: a random number.
between() { echo $(($1 + (RANDOM * 32768 + RANDOM) % ($2 - $1))); }

# survives "RULE"... [-- ARG...]: a run through a relay with these rules ends
# well, having trained on each sample of each epoch once.  In TLS, unless ARG
# is --insecure.
survives() {
    local rules=()
    while (($#)) && [ "$1" != -- ]; do rules+=("$1") && shift; done
    (($# == 0)) || shift
    [ -z "$relay_dir" ] || stop_relay
    rm -rf run
    start_relay "a b" "${rules[@]}"
    bg log ebsp train j.json -r run "${relay_hosts[@]}" --pace 10 \
        --epochs "$epochs" "$@"
    finish $!
    cat log
    if [ "$status" -ne 0 ]; then
        printf 'rule: %s\n' "${rules[@]}"
        grep -h -v '^port' relay/ports run/log
        return 1
    fi
    json_true run/summary.json ".status == \"done\" and
        .samples == $((epochs * 480)) and .test_accuracy >= 0.95"
}

# came_back: somebody has left, and joined again.
came_back() {
    jq -se 'map(select(.event == "leave")) as $left |
        ($left | length) > 0 and ($left[0].rank as $who |
        map(select(.event == "join" and .rank == $who)) | length) > 1' \
        run/events.jsonl >/dev/null && return
    echo "nobody has left and come back:"
    grep -v '"event":"\(add\|push\|release\|commit\)"' run/events.jsonl
    return 1
}

unharmed() { # the same bits as on one machine
    [ -e quiet ] || expect 0 train j.json -r quiet
    [ "$(hash_of run)" = "$(hash_of quiet)" ]
}

@test "delays, jitter and lost packets change no bit" {
    survives "all delay 3 5" "all loss 0.02 100"
    unharmed
    survives "a delay 10 5" "all loss 0.02 100" -- --insecure
    unharmed
}

@test "a slow line changes no bit" {
    survives "a up rate 60000" "a down rate 120000"
    unharmed
}

@test "a worker whose connection is cut comes back" {
    for how in reset close half; do
        survives "a.0 up $how at $(between 2000 20000)" \
            "b.0 down $how at $(between 2000 20000)"
        came_back
    done
}

@test "a cut during the handshake, or before the first order" {
    survives "a.0 up reset at $(between 0 150)"
    survives "b.0 down reset at $(between 0 150)" -- --insecure
    survives "a.0 up half at $(between 400 600)"
    survives "a.0 reset after $(between 10 90)" "b.0 reset after $(between 10 90)"
}

# damaged WHAT [--insecure]: somewhere, in one direction of one worker.
damaged() {
    local at=(a.0 b.0) way=(up down)
    survives "${at[RANDOM % 2]} ${way[RANDOM % 2]} $1 at $(between 2000 20000)" \
        -- "${@:2}"
    came_back
}

@test "wrong, missing and repeated bytes are noticed, by TLS" {
    damaged "corrupt $(between 0 7)"
    damaged "replay $(between 1 900)"
}

@test "wrong, missing and repeated bytes are noticed, by sums" {
    damaged "corrupt $(between 0 7)" --insecure
    damaged "skip $(between 1 60)" --insecure
    damaged "replay $(between 1 900)" --insecure
}

@test "a black hole: dropped after its silence, back by another way" {
    epochs=12
    survives "a.0 stall at $(between 2000 20000)"
    came_back
    # Who notices first differs.
    jq -se 'map(select(.event == "leave"))[0].why |
        test("no sign of life|it connected again")' run/events.jsonl
}

@test "a short stall is none" {
    survives "a.0 stall 500 at $(between 2000 20000)"
    unharmed
}

@test "both are cut again and again" {
    survives "a reset after 300" "b reset after 450"
    came_back
}

# A vector of 1.3 MB, so that parameters and gradients travel in pieces.
wide() {
    jq '.layers[0].units = 4096 | .layers[2].units = 64 |
        .layers[3:3] = [{"type": "relu", "name": "relu2"},
            {"type": "dense", "name": "fc3", "units": 3}] | .epochs = 1 |
        .optimizer.lr = 0.01' \
        j.json >wide.json
    mv wide.json j.json
    epochs=1
}

@test "pieces: over TCP, in TLS and in shared memory the bits are the same" {
    local how
    wide
    # Who is only slow is not taken out.
    jq 'del(.faults)' j.json >patient.json
    expect 0 train patient.json -r quiet
    for how in '' --tls=always; do
        # shellcheck disable=SC2086 # no word or one
        expect 0 train patient.json -r "tcp$how" --transport=tcp $how
        [ "$(hash_of "tcp$how")" = "$(hash_of quiet)" ]
        json_true "tcp$how/summary.json" '.bytes_pulled > 25e6'
    done
}

@test "cut in the middle of pieces, in both directions: nothing is lost" {
    wide
    # 12 iterations of each worker, 1.1 MB each way
    survives "a.0 up reset at $(between 2000000 3000000)" \
        "b.0 down reset at $(between 2000000 3000000)" \
        "b.1 up corrupt at $(between 300000 1000000)" -- \
        --insecure --servers 0
    came_back
}
