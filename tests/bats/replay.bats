#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A run again: the policy is told what it was told and must do what it did.
load ebsp
load jobs

# driven ARG...: a replay in which the policy took part and all was the same.
driven() {
    expect 0 replay run --json "$@"
    echo "$output" >o.json
    json_true o.json '.identical == true and .alone == null and .actions > 99'
}

# alone STATUS WHY ARG...: a replay of the recording without a policy.
alone() {
    local want=$1 why=$2
    shift 2
    expect "$want" replay run --json "$@"
    echo "$output" >o.json
    json_true o.json '.identical == true and .actions == 0'
    [[ $(json o.json .alone) == *"$why"* ]]
}

@test "every policy acts again as it did, and the bits are the same" {
    local spec
    blobs_job j.json
    for spec in bsp asp ssp:staleness=1 dssp:low=1 backup kasync:k=2 \
        elasticbsp elasticbsp:between=accumulate; do
        rm -rf run
        expect 0 train j.json -r run -q -n 4 --pace 2 --slow 0:3 -p "$spec"
        driven
        [ "$(json o.json .params_hash)" = "$(hash_of run)" ]
    done
    alone 0 "as asked for" --follow
}

@test "a replay reaches the bits of local steps with momentum and short batches" {
    # 480 samples are 25 mini-batches of 19 and one of 5; orders of several
    # steps go from one epoch into the next
    blobs_job j.json '.batch = 19'
    for kind in dynamic iid; do
        # what is planned hangs on the times: again when no order has several
        for _ in {1..30}; do
            rm -rf run
            expect 0 train j.json -r run -q -n 4 --pace 2 --slow 0:3 \
                -p elasticbsp:between=local \
                --set "assignment={\"type\":\"$kind\"}"
            ! grep -q '"rest":\[\[' run/events.jsonl || break
        done
        grep -q '"rest":\[\[' run/events.jsonl
        driven
        json_true o.json '.samples == 1920'
    done
    sed -i 's/"rest":\[\[\(.\),/"rest":[[9\1,/' run/events.jsonl
    expect 3 replay run
    stderr_has "rest[0]: the recorded mini-batch is not the next one"
    expect 3 replay run --follow
    stderr_has "rest[0]: the recorded mini-batch is not the next one"
}

@test "a run that lost workers is repeated, bits and all" {
    local spec train pid
    blobs_job dynamic.json '.epochs = 40'
    blobs_job iid.json '.epochs = 40 | .assignment = {"type": "iid"}'
    while read -r job spec; do
        rm -rf run
        # half a minute for all of it, which nobody waits for in the end
        bg train.log ebsp train "$job.json" -r run -q -n 3 --pace 100 \
            -p "$spec"
        train=$!
        wait_for run/events.jsonl '"event":"push","rank":2'
        pid=$(jq -r 'select(.event == "ready" and .rank == 2) | .pid' \
            run/events.jsonl)
        kill -KILL "$pid"
        wait_for run/events.jsonl '"event":"ready","rank":2,"life":1'
        expect 0 ctl run pace 1
        finish "$train"
        [ "$status" -eq 0 ]
        grep -q '"event":"leave","rank":2' run/events.jsonl
        driven
    done <<'END'
dynamic asp
iid elasticbsp:between=local
END
}

# lazy FILE.so [FLAG...]: a policy whose timer releases, and not the push.
lazy() {
    cat >lazy.c <<'EOF'
#include <ebsp/policy.h>
#include <stdlib.h>
#ifndef VERSION
#define VERSION "1.0"
#define WAIT_NS 1500000
#endif
static const struct ebsp_host **new_lazy(const struct ebsp_host *host)
{
    const struct ebsp_host **self = malloc(sizeof *self);
    *self = host;
    return self;
}
static void *create(const struct ebsp_host *host) { return new_lazy(host); }
static int32_t act(const struct ebsp_host *h, uint32_t kind, uint32_t worker,
                   double weight, int64_t at_ns, uint64_t cookie)
{
    struct ebsp_action a = {.struct_size = sizeof a, .kind = kind,
                            .worker = worker, .weight = weight,
                            .at_ns = at_ns, .cookie = cookie};
    return h->act(h->ctx, &a);
}
static int32_t on_event(void *self, const struct ebsp_event *e)
{
    const struct ebsp_host *h = *(const struct ebsp_host **)self;
    /* odd times wait longer: the nanoseconds matter */
    int64_t at_ns = e->now_ns + WAIT_NS * (1 + e->now_ns % 2);
    if (e->kind == EBSP_EVENT_WAKE)
        return act(h, EBSP_ACTION_RELEASE, (uint32_t)e->cookie, 0, 0, 0);
    if (e->kind == EBSP_EVENT_PUSH &&
        (act(h, EBSP_ACTION_ADD, e->worker, 1, 0, 0) != 0 ||
         act(h, EBSP_ACTION_COMMIT, 0, 1, 0, 0) != 0))
        return -1;
    if (e->kind == EBSP_EVENT_PUSH || e->kind == EBSP_EVENT_JOIN)
        return act(h, EBSP_ACTION_WAKE, 0, 0, at_ns, e->worker);
    return 0;
}
static const struct ebsp_policy lazy = {
    EBSP_POLICY_HEAD, .name = "lazy", .version = VERSION,
    .summary = "waits a little", .create = create, .destroy = free,
    .on_event = on_event};
EBSP_POLICY_EXPORT(lazy);
EOF
    local so=$1
    shift
    # CC may hold flags, too.
    # shellcheck disable=SC2086
    ${CC:-cc} -I"$EBSP_SRCDIR/include" -shared -fPIC -o "$so" "$@" lazy.c
}

@test "a policy that acts on timers is woken at the same times" {
    blobs_job j.json '.epochs = 2'
    mkdir old new
    lazy old/lazy.so
    EBSP_POLICY_PATH=old expect 0 train j.json -r run -q -n 3 -p lazy
    [ "$(grep -c '"event":"wake"' run/events.jsonl)" -ge 12 ]
    EBSP_POLICY_PATH=old driven
    alone 7 'no policy "lazy"'
    # another version may do otherwise: only when asked for
    lazy new/lazy.so '-DVERSION="1.1"' -DWAIT_NS=1000000000
    EBSP_POLICY_PATH=new alone 7 'version 1.1, recorded is 1.0'
    EBSP_POLICY_PATH=new expect 1 replay run -p lazy
    stderr_has 'the policy now does nothing more'
}

@test "a plugin that is a file takes part only when it is named" {
    blobs_job j.json '.epochs = 2'
    lazy lazy.so
    expect 0 train j.json -r run -q -n 3 -p ./lazy.so
    alone 7 '("./lazy.so") is loaded only when asked for with --policy'
    # nor when the recording alone says so
    jq '.policy = "asp"' run/job.json >x && mv x run/job.json
    sed -i 's|"spec":"lazy"|"spec":"./lazy.so"|' run/events.jsonl
    alone 7 '("./lazy.so") is loaded only when asked for with --policy'
    driven --policy ./lazy.so
    expect 2 replay run --policy ./lazy.so --follow
    expect 7 replay run --policy ./absent.so
}

@test "the first action that is not as recorded is told with its line" {
    local line who
    blobs_job j.json
    expect 0 train j.json -r run -q -n 2 --pace 4 --slow 0:6 \
        -p ssp:staleness=3
    expect 1 replay run -p ssp:staleness=0
    # shellcheck disable=SC2154 # set by run --separate-stderr
    [[ $stderr =~ events.jsonl:([0-9]+): ]]
    line=${BASH_REMATCH[1]}
    # the first to have pushed: it was let go on, in lockstep it would wait
    who=$(jq -r 'select(.event == "push") | .rank' run/events.jsonl | head -n 1)
    sed -n "${line}p" run/events.jsonl |
        grep "\"event\":\"release\",\"rank\":$who,"
    stderr_has "the recording has \"release of worker $who\", the policy now does nothing more"
    expect 1 replay run -p asp
    [[ $stderr =~ has\ \"push\ of\ worker\ .\",\ the\ policy\ now\ does\ \"release\ of ]]
    cp run/events.jsonl whole
    # changed LINE-PATTERN SED-PROGRAM WHAT: in one line of the recording
    changed() {
        line=$(grep -n -m 1 "$1" whole | cut -d : -f 1)
        sed "$line$2" whole >run/events.jsonl
        expect 1 replay run
        stderr_has "events.jsonl:$line: $3"
    }
    changed '"event":"add"' 's/"weight":1/"weight":2/' '"weight" of "add" is 2'
    changed '"event":"commit"' 's/"samples":20/"samples":10/' '"samples" of'
    changed '"event":"commit"' 's/"lr":0.1/"lr":0.2/' '"lr" of "commit" is'
    changed '"event":"commit"' 's/"version":1/"version":7/' \
        '"version" of "commit" is 7 in the recording, but the replay has 1'
    changed '"event":"release"' 's/"steps"/"keep":1,"steps"/' '"keep" of'
    changed '"event":"add"' 's/"rank":./"rank":9/' 'the recording has "add of worker 9"'
    line=$(grep -n -m 1 '"event":"commit"' whole | cut -d : -f 1)
    sed "${line}d" whole >run/events.jsonl
    expect 1 replay run
    stderr_has 'has "release of worker'
    stderr_has 'the policy now does "commit"'
}

@test "a recording that was cut off is replayed as far as it goes" {
    local size cut
    blobs_job j.json '.epochs = 1'
    expect 0 train j.json -r run -q -n 3 -p backup
    cp run/events.jsonl whole
    size=$(stat -c %s whole)
    for cut in 10 300 $((size / 7)) $((size / 3)) $((size / 3 + 70)) \
        $((size / 3 + 140)) $((size / 2)); do
        head -c "$cut" whole >run/events.jsonl
        expect 0 replay run --json
        echo "$output" >o.json
        json_true o.json '.identical == null'
        expect 0 replay run --follow --json
        [ "$(json o.json .params_hash)" = \
            "$(jq -r .params_hash <<<"$output")" ]
    done
}

@test "a recording from before policies took part is followed" {
    blobs_job j.json
    expect 0 train j.json -r run -q -n 2 -p asp
    sed -i -E '/"event":"(policy|join)"/d' run/events.jsonl
    alone 0 "does not tell what the policy was told"
    expect 3 replay run -p asp
    stderr_has "does not tell what a policy needs"
}

# recording LINE...: an event stream of asp; a line is EVENT or EVENT RANK, or
# release RANK FIRST [SHARD], of mini-batches of 20.
recording() {
    local t=0 word
    local -A iteration=()
    local now=0
    for line; do
        read -r -a word <<<"$line"
        printf '{"t":0.%09d,"event":"%s"' $((t += 1000)) "${word[0]}"
        [ -z "${word[1]:-}" ] || printf ',"rank":%d' "${word[1]}"
        case ${word[0]} in
        policy) printf ',"spec":"asp","plugin_version":"1.0","max_workers":2,"clock":77' ;;
        start) printf ',"version":0' ;;
        release)
            printf ',"iteration":%d,"version":%d,"epoch":0,"first":%d,"count":20,"steps":1' \
                $((++iteration[${word[1]}])) $now "${word[2]}"
            [ -z "${word[3]:-}" ] || printf ',"shard":%d' "${word[3]}"
            ;;
        push) printf ',"loss":1,"norm":1,"compute":0.5' ;;
        add) printf ',"iteration":%d,"weight":1' "${iteration[${word[1]}]}" ;;
        drop) printf ',"iteration":%d' "${iteration[${word[1]}]}" ;;
        commit) printf ',"version":%d,"weight":1,"lr":0.1,"pushes":1,"samples":20' $((++now)) ;;
        esac
        echo '}'
    done >run/events.jsonl
    # of losses and norms it knows nothing
    expect 1 replay run --follow --json
    hash=$(jq -r .params_hash <<<"$output")
    expect 1 replay run --json
    stderr_has "has another loss"
    echo "$output" >o.json
    json_true o.json ".alone == null and .strange_line > 0 and .params_hash == \"$hash\" and .samples == $samples"
}

@test "a worker that leaves gives its mini-batch back" {
    local hash samples=60 begin=(policy 'join 0' 'join 1' start)
    mkdir run
    blobs_job run/job.json '.data.train = 60 | .epochs = 1 | .policy = "asp"'
    recording "${begin[@]}" 'release 0 0' 'release 1 20' 'leave 1' \
        'push 0' 'add 0' commit 'release 0 20' \
        'push 0' 'add 0' commit 'release 0 40' 'push 0' 'add 0' commit
    # and comes back
    recording "${begin[@]}" 'release 0 0' 'release 1 20' 'leave 1' 'join 1' \
        'release 1 20' 'push 0' 'add 0' commit 'release 0 40' \
        'push 1' 'add 1' commit 'idle 1' 'push 0' 'add 0' commit 'idle 0'
}

@test "the shard of a lost worker is for the others" {
    local hash samples=40 begin=(policy 'join 0' 'join 1' start)
    mkdir run
    blobs_job run/job.json \
        '.data.train = 40 | .epochs = 1 | .assignment = {"type": "iid"} | .policy = "asp"'
    recording "${begin[@]}" 'release 0 0' 'release 1 0 1' 'leave 1' \
        'push 0' 'add 0' commit 'release 0 0 1' 'push 0' 'add 0' commit
    # and not while it is there
    samples=20
    recording "${begin[@]}" 'release 0 0' 'release 1 0 1' \
        'push 0' 'add 0' commit
}

@test "an order that is sent again is computed on newer parameters" {
    local hash samples=40 begin=(policy 'join 0' 'join 1' start)
    mkdir run
    blobs_job run/job.json '.data.train = 40 | .epochs = 1 | .policy = "asp"'
    recording "${begin[@]}" 'release 0 0' 'release 1 20' \
        'push 0' 'add 0' commit 'idle 0' 'push 1' 'add 1' commit
    stale=$hash
    recording "${begin[@]}" 'release 0 0' 'release 1 20' \
        'push 0' 'add 0' commit 'idle 0' 'retry 1' 'push 1' 'add 1' commit
    [ "$hash" != "$stale" ]
    fresh=$hash
    jq '.workers = 1' run/job.json >x && mv x run/job.json
    recording policy 'join 0' start 'release 0 0' \
        'push 0' 'add 0' commit 'release 0 20' 'push 0' 'add 0' commit
    [ "$hash" = "$fresh" ]
}

@test "who comes back while it had no work has forgotten what it owed" {
    local hash fresh samples=40 begin=(policy 'join 0' 'join 1' start)
    local one=('release 0 0' 'release 1 20' 'push 1' 'add 1' commit 'idle 1')
    local two=('leave 0' 'join 1' 'release 1 0' 'push 1' 'add 1' commit)
    mkdir run
    blobs_job run/job.json \
        '.data.train = 40 | .epochs = 1 | .policy = "asp" | .compress = "topk:0.1"'
    recording 'ready 0' 'ready 1' "${begin[@]}" "${one[@]}" \
        'ready 1' 'join 1' 'idle 1' "${two[@]}"
    fresh=$hash
    recording "${begin[@]}" "${one[@]}" "${two[@]}"
    [ "$hash" != "$fresh" ]
    jq '.error_feedback = false' run/job.json >x && mv x run/job.json
    recording "${begin[@]}" "${one[@]}" "${two[@]}"
    [ "$hash" = "$fresh" ]
}

@test "a recording that cannot be is refused with its line" {
    blobs_job j.json
    expect 0 train j.json -r run -q -n 2 -p backup
    mkdir bad && cp run/job.json bad
    first() { grep -m 1 "\"event\":\"$1\"" run/events.jsonl; }
    damaged() { # WHY SED-PROGRAM EVENT...
        local why=$1 program=$2
        shift 2
        for kind; do first "$kind"; done | sed "$program" >bad/events.jsonl
        expect 3 replay bad
        stderr_has "bad/events.jsonl:$#:"
        stderr_has "$why"
    }
    damaged "no contribution of worker" "" start add
    damaged "no contribution of worker" "" start drop
    damaged "nothing to commit" "" start commit
    damaged "released a second time" "" start release release
    damaged "no parameters to keep" 's/"steps"/"keep":1,"steps"/' start release
    damaged "expected an integer" 's/"steps":1/"steps":4000000000/' start release
    damaged "which is not absent" "" policy join join
    damaged "which is not running" "" policy push
    damaged "a second start" "" start start
    damaged "continuation of a run" "" policy policy
    damaged "time runs backwards" 's/"t":[0-9.]*,"event":"start"/"t":0,"event":"start"/' \
        policy start
    damaged "expected" 's/"max_workers":[0-9]*/"max_workers":1000000000/' policy
    damaged "expected" 's/"clock":[0-9]*/"clock":1.5/' policy
    damaged "the recorded max_workers is 1" \
        's/"max_workers":[0-9]*/"max_workers":1/; s/"rank":./"rank":1/' policy join
    damaged 'job.json has "backup"' 's/"spec":"backup"/"spec":"asp"/' policy
    damaged 'expected 16 digits' 's/"params_hash":"[^"]*"/"params_hash":"zz"/' end
}

@test "the options of the recording are those of the job" {
    blobs_job j.json
    expect 0 train j.json -r run -q -n 2 -p ssp:staleness=1
    jq '.policy = "ssp:staleness=2"' run/job.json >x && mv x run/job.json
    expect 3 replay run
    stderr_has 'was made with the policy "ssp:staleness=1", but job.json has "ssp:staleness=2"'
    sed -i 's/"spec":"[^"]*"/"spec":"ssp:stale=1"/' run/events.jsonl
    alone 7 'no option "stale"'
    stderr_has 'warning: no policy took part'
}

@test "a loss that was changed is told, though the parameters agree" {
    local line
    blobs_job j.json
    expect 0 train j.json -r run -q -n 2 -p asp
    line=$(grep -n -m 1 '"event":"push"' run/events.jsonl | cut -d : -f 1)
    sed -i "$line"'s/"loss":[^,]*/"loss":0.5/' run/events.jsonl
    expect 1 replay run
    stderr_has "the push in line $line of events.jsonl has another loss"
    stdout_has "identical with the run"
    expect 1 replay run --follow --json
    echo "$output" >o.json
    json_true o.json ".identical == true and .strange_line == $line"
}

@test "a replay notices that the parameters differ" {
    blobs_job j.json
    expect 0 train j.json -r run -q -n 2 -p asp
    sed -i '0,/"weight":1,/s/"weight":1,/"weight":2,/' run/events.jsonl
    expect 1 replay run --follow
    stderr_has "the parameters differ"
    # the contributions tell since when
    stderr_has "since the push in line"
    sed -i 's/"max_workers":[0-9]*/"max_workers":1/' run/events.jsonl
    jq '.workers = 1' run/job.json >x && mv x run/job.json
    expect 3 replay run --follow
    stderr_has "events.jsonl:"
}
