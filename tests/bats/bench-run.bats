#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# The scripts of bench/, without measuring anything: what takes the place of
# ebsp is a script of the test.
load ebsp

setup() {
    ebsp_setup
    requires command -v jq
    requires command -v python3
    export PYTHONDONTWRITEBYTECODE=1
    bench=$EBSP_SRCDIR/bench
    unset EBSP EBSP_DATA EBSP_TORCH_BENCH OUT
}

# instead_of_ebsp LINE...
instead_of_ebsp() {
    printf '%s\n' '#!/usr/bin/env bash' "$@" >ebsp
    chmod +x ebsp
}

@test "a benchmark that fails is listed, and counts" {
    instead_of_ebsp 'exit 5'
    # Networks are not for a test: these say so and are skipped.
    mkdir bin
    printf '%s\n' '#!/bin/sh' 'exit 1' >bin/unshare
    chmod +x bin/unshare
    PATH=$PWD/bin:$PATH run --separate-stderr -- \
        "$bench/run" --quick --out figures
    [ "$status" -eq 1 ]
    [ "${stderr_lines[-1]}" = "failed: step ddp sync start memory policies \
growth zipline codecs" ]
    [ "$(ls figures)" = $'overlap.json\nservers.json\nwire.json' ]
    for part in wire overlap servers; do
        json_true "figures/$part.json" ".benchmark == \"$part\" and
            (.skipped | length > 0)"
    done
}

@test "every benchmark tells its options and refuses others" {
    local script options=0
    for script in "$bench"/run "$bench"/*.sh "$bench"/*.py; do
        run "$script" --help
        [ "$status" -eq 0 ] || { echo "$script --help: $status" && return 1; }
        # shellcheck disable=SC2154 # set by run
        [[ $output == *"bench/${script##*/} ["* && $output == *--quick* ]] ||
            { echo "$script: $output" && return 1; }
        [[ $script != *.py ]] || continue # argparse does
        run "$script" --bogus
        [ "$status" -eq 2 ] || { echo "$script --bogus: $status" && return 1; }
        options=$((options + 1))
    done
    [ "$options" -eq 4 ]
    [ -z "$(ls)" ]
}

@test "the start-up benchmark ends at the first push, cold and warm" {
    # Events come in pieces; the cache of a cold run is empty.
    # shellcheck disable=SC2016 # for the script
    instead_of_ebsp 'run=${*: -1}' 'mkdir "$run"' \
        'ls "$XDG_CACHE_HOME" >>caches' 'echo --- >>caches' \
        '>"$XDG_CACHE_HOME/remembered"' \
        'printf "{\"event\":\"run\"}\n{\"event\":\"pu" >"$run/events.jsonl"' \
        'read -rt 0.05 <> <(:)' \
        'echo "sh\"}" >>"$run/events.jsonl"' \
        'exec sleep 60'
    run "$bench/start.py" --quick --json start.json
    [ "$status" -eq 0 ]
    json_true start.json '.job == "lenet5-digits" and
        all(.cold_seconds, .warm_seconds; . >= 0.05 and . < 50)'
    [ "$(cat caches)" = $'---\nremembered\n---' ]
}
