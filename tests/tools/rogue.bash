# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Workers that misbehave (rogue.c), and what must hold of every run, whatever
# its workers have done.
#
#   load ../tools/rogue                  after `load ebsp` and `load jobs`
#   rogue_train [-a] "DEED..." ARG...    trains job.json: worker 0 is honest,
#                                        worker 1 does the first deed, and so
#                                        on; -a: without the honest one.  Sets
#                                        $status, $output and $stderr
#   goes_on POLICY "DEED..." ARG...      the same, and whoever is lost is
#                                        dropped; the others do their work
#   lost 2 'unexpected BYE'              worker 2 was lost once, for this reason
#   kept 3                               worker 3 was not even complained about
#   applied_once 1920                    every sample of each epoch was
#   goes_on asp "DEED..." "${own[@]}"    everybody has samples of his own: no run
#                                        is over before he has had his orders,
#                                        however late he is
rogue_program=$EBSP_BUILDDIR/tests/tools/rogue
# shellcheck disable=SC2034 # for the test that loads this
own=(--set 'assignment={"type":"iid"}')

rogue_train() {
    local hosts=local,127.0.0.2 deeds i
    if [ "$1" = -a ]; then
        hosts=127.0.0.2
        shift
    fi
    read -ra deeds <<<"$1"
    for ((i = 1; i < ${#deeds[@]}; i++)); do hosts+=,127.0.0.$((i + 2)); done
    rm -rf run
    run_ebsp train job.json -r run --pace 4 --hosts "$hosts" \
        --ssh "$rogue_program $1" "${@:2}"
}

# has_event TEXT, has_no_event TEXT: in an event of the run.
has_event() { grep -q -e "$1" run/events.jsonl || { echo "no $1" && return 1; }; }
has_no_event() { ! grep -e "$1" run/events.jsonl; }

lost() {
    local told
    # shellcheck disable=SC2154 # set by run --separate-stderr
    told=$(grep -c "worker $1 (" <<<"$stderr") || true
    [ "$told" -eq 1 ] && grep -q "worker $1 (.*$2" <<<"$stderr" &&
        grep -q "\"event\":\"lost\",\"rank\":$1," run/events.jsonl && return
    echo "worker $1, expected: $2; was told $told times in:"
    echo "$stderr"
    return 1
}

kept() {
    ! grep -q "worker $1 (" <<<"$stderr" &&
        ! grep -q "\"event\":\"lost\",\"rank\":$1," run/events.jsonl && return
    echo "worker $1 was not kept:"
    echo "$stderr"
    return 1
}

goes_on() {
    rogue_train "$2" -p "$1" --on-worker-loss drop "${@:3}"
    # shellcheck disable=SC2154 # set by run
    [ "$status" -eq 0 ] || {
        echo "exit status $status: $stderr"
        return 1
    }
    applied_once "${total:-1920}"
}

# The share of each worker from RELEASE to ADD, DROP or LEAVE; what is added is
# done by COMMIT.  One cursor a release.
applied_once() {
    local got
    got=$(jq -cn --argjson total "$1" '
        reduce inputs as $e ({share: {}, added: [], done: [], odd: []};
            ($e.rank | tostring) as $r |
            if $e.event == "release" then
                if .share[$r] or $e.steps != 1 then .odd += [$e] else . end |
                .share[$r] = ($e | {epoch, shard, first, count})
            elif $e.event == "add" then
                if .share[$r] then . else .odd += [$e] end |
                .added += [.share[$r]] | del(.share[$r])
            elif $e.event == "drop" or $e.event == "leave" then
                del(.share[$r])
            elif $e.event == "commit" then
                .done += .added | .added = []
            else . end) |
        [.done[] | . as $c | range($c.first; $c.first + $c.count) |
            [$c.epoch, $c.shard, .]] as $samples |
        if .odd == [] and .added == [] and ($samples | length) == $total and
            ($samples | unique | length) == $total
        then "once"
        else {odd, added, samples: ($samples | length),
            different: ($samples | unique | length)} end' run/events.jsonl)
    [ "$got" = '"once"' ] && return
    echo "not every sample once: $got"
    return 1
}
