#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Workers that misbehave at every state, in every way that we could think of:
# the run goes on, says once why it lost whom, and applies every sample of each
# epoch exactly once.
load ebsp
load jobs
load ../tools/rogue

setup() {
    ebsp_setup
    blobs_job job.json
}

policies=(bsp asp elasticbsp)
frames=(CHALLENGE HELLO WELCOME READY ORDER PUSH BEAT STOP BYE ERROR FETCH DATA PIECE)

# frames_at STATE POLICY TYPE... [-- ARG...]: a frame of every type; BEAT and
# those TYPEs are in place there.
frames_at() {
    local state=$1 policy=$2 legal=" BEAT " deeds='' i
    shift 2
    while (($#)) && [ "$1" != -- ]; do
        legal+="$1 "
        shift
    done
    for i in "${frames[@]}"; do deeds+=" frame:$i@$state"; done
    goes_on "$policy" "$deeds" "${@:2}"
    for i in "${!frames[@]}"; do
        case $legal:${frames[i]} in
        *" ${frames[i]} "*) kept $((i + 1)) ;;
        *:ERROR) lost $((i + 1)) 'ERROR: body is too short' ;;
        *:PUSH) lost $((i + 1)) 'unexpected PUSH\|push does not answer' ;;
        *:PIECE) lost $((i + 1)) 'unexpected PIECE\|a piece ' ;;
        *) lost $((i + 1)) "unexpected ${frames[i]}" ;;
        esac
    done
}

@test "frames before READY: none but FETCH and BEAT are in place" {
    frames_at joined bsp FETCH
}
@test "frames while it waits for its first order" {
    frames_at ready asp -- "${own[@]}"
}
@test "frames while it has an order" {
    frames_at ordered elasticbsp -- "${own[@]}"
}
@test "frames while its push is at the policy" { frames_at pushed bsp; }

@test "frames after STOP: the end of the run is no worse for them" {
    local deeds='' i
    for i in "${frames[@]}"; do deeds+=" frame:$i@stop"; done
    goes_on asp "$deeds garbage@stop close@stop exit:3@stop twice,n=7"
    [[ $stderr != *lost* ]]
    json_true run/summary.json '.status == "done" and .failure == null'
}

@test "frames while nothing is left for it to do" {
    # a mini-batch for each, for which the honest worker needs 3 s
    total=480 frames_at idle asp -- --slow 0:30 --pace 100 --set epochs=1 \
        --set batch=35
}

@test "pushes that are wrong" {
    local policy wrong='push of .* bytes, expected' other='does not answer'
    for policy in "${policies[@]}"; do
        goes_on "$policy" \
            'short long order version samples steps twice,n=3 garbage@ordered garbage@ready,seed=7 garbage@pushed,seed=8 time' \
            "${own[@]}"
        lost 1 "$wrong"
        lost 2 'bulk of 836 bytes, expected at most 832'
        lost 3 "$other"
        lost 4 "$other"
        lost 5 "$other"
        lost 6 "$other"
        lost 7 "$other\|unexpected PUSH"
        for i in 8 9 10; do lost "$i" "does not speak ebsp's protocol"; done
        kept 11
        json_true run/summary.json '.workers_lost == 10'
    done
    # Worker 11 cannot have computed for longer than the run has lasted.
    json_true run/summary.json \
        '[.per_worker[11] | .seconds, .setup_seconds | .. | numbers] | max < 60'
    json_true <(jq -s 'map(select(.event == "push").compute)' run/events.jsonl) \
        'max < 60'
}

@test "pieces of a push: those that are wrong are refused, with what is wrong" {
    goes_on asp 'pieces:well,every=2 pieces:twice pieces:early pieces:order pieces:beyond pieces:long pieces:bytes pieces:few pieces:bulk' \
        "${own[@]}"
    kept 1
    lost 2 'a piece at .*, expected the one at'
    lost 3 'a piece at 0, expected the one at'
    lost 4 'a piece of iteration 3, expected 2'
    lost 5 'a piece at 208, expected the one at 104'
    lost 6 'a piece of 209 numbers, expected 1 to 208'
    lost 7 'a piece of 104 numbers in 412 bytes'
    lost 8 'PUSH: 104 of 208 numbers have come in pieces'
    lost 9 'PUSH: 104 of 208 numbers have come in pieces'
    json_true run/summary.json '.workers_lost == 8'
}

@test "ERROR frames: lost with the words, whatever the code" {
    local deeds='' i
    for i in 1 2 3 4 5 6 7 8 9 10 70; do deeds+=" error:$i@ordered"; done
    goes_on asp "$deeds error:0@ordered error:4711@ready" "${own[@]}"
    for i in {1..11}; do lost "$i" 'so it pleases me'; done
    lost 12 'ERROR: code 0 is unknown'
    lost 13 'ERROR: code 4711 is unknown'
}

@test "processes that end at each state, with each status" {
    local deeds='' i
    for i in 0 1 2 3 4 5 6 7 8 9 10 70; do deeds+=" exit:$i@ordered"; done
    goes_on elasticbsp "$deeds exit:255@pushed exit:11@ready exit:12@joined" \
        "${own[@]}"
    for i in 0 1 2 3 4 5 6 7 8 9 10; do
        lost $((i + 1)) "127.0.0.$((i + 2)): ended with exit status $i"
    done
    lost 12 'ended with exit status 70'
    lost 13 'the worker was killed there, or the connection is lost'
    lost 14 'ended with exit status 11'
    lost 15 'ended with exit status 12'
}

@test "the same rank twice, another one, another life, coming back for ever" {
    goes_on bsp \
        'again:me:0@ordered again:me:0@pushed again:0:0@ordered again:me:1@ordered again:1:7@ordered again:99:0@ready flap@ordered,every=1' \
        "${own[@]}"
    lost 7 'its connection was lost 9 times without a push'
    json_true run/summary.json '.workers_lost == 1'
    # Worker 0 was thrown out by its namesake and has come back by itself.
    json_true run/summary.json '.per_worker[0].rejoins >= 1'
}

@test "who asks for the data set for ever does not hold up the start" {
    goes_on bsp 'fetches@joined flap@joined'
    lost 1 'unexpected FETCH'
}

@test "a few bad pushes: rejected, asked for again, nobody is lost" {
    local policy i
    # No worker pushes more often than the run has updates, so the limit never
    # decides, however the machine shares its cores out.
    for policy in "${policies[@]}"; do
        goes_on "$policy" 'nan-loss,n=1 nan-norm,every=3 inf-norm norm:1e30,n=12' \
            --max-bad-pushes 96 --set optimizer.lr=0.02 --pace 2 "${own[@]}"
        for i in {1..4}; do
            has_event "\"event\":\"reject\",\"rank\":$i,"
            has_event "\"event\":\"retry\",\"rank\":$i,"
        done
        has_no_event '"event":"lost"'
        [[ $stderr == *"worker 4 (rogue): push 12 rejected: its norm "* ]]
        [[ $stderr == *"worker 1 (rogue): push 1 rejected: loss nan"* ]]
        json_true run/summary.json '.test_accuracy > 0.9'
    done
}

@test "one that is always bad: removed after --max-bad-pushes, not replaced" {
    local policy
    for policy in "${policies[@]}"; do
        rogue_train 'nan-loss,n=1,every=1,lives=9 norm:1e30,n=18,every=1,lives=9' \
            -p "$policy" --max-bad-pushes 2 --set optimizer.lr=0.02 "${own[@]}"
        [ "$status" -eq 0 ]
        applied_once 1920
        [[ $stderr == *"worker 1 (rogue) is removed: too many bad pushes"* ]]
        [[ $stderr == *"worker 2 (rogue) is removed: too many bad pushes"* ]]
        [ "$(grep -c '"event":"reject","rank":1,' run/events.jsonl)" -eq 3 ]
        [ "$(grep -c '"event":"reject","rank":2,' run/events.jsonl)" -eq 3 ]
        has_no_event '"event":"spawn".*"life":1'
        json_true run/summary.json '.rejected_pushes == 6 and
            .per_worker[1].bad_pushes == 3 and .test_accuracy > 0.9'
    done
    rogue_train 'nan-loss,n=1,every=1' --max-bad-pushes 0 --min-workers 2
    [ "$status" -eq 8 ]
    stderr_has '1 worker left, at least 2 wanted'
    stderr_has 'worker 1 (rogue): too many bad pushes'
}

@test "a bad push while the others have nothing left is one worker's fault" {
    rogue_train 'nan-loss,n=1,every=1' -p asp --set epochs=1 --set batch=240 \
        --slow 1:10 --pace 30
    [ "$status" -eq 0 ]
    applied_once 480
    stderr_has 'worker 1 (rogue) is removed: too many bad pushes'
}

@test "not finite at all workers is a divergence: exit status 9" {
    local policy
    blobs_job real.json '.layers[3] = {"type": "mse"} | .optimizer.lr = 1e6'
    for policy in "${policies[@]}"; do
        rogue_train -a 'nan-loss,n=1,every=1 nan-norm,n=1,every=1 inf-norm,n=1,every=1' \
            -p "$policy"
        [ "$status" -eq 9 ]
        stderr_has 'diverged: '
        [[ $stderr != *removed* ]]
        rm -r run
        expect 9 train real.json -r run -p "$policy" -n 3
        stderr_has 'diverged: '
    done
}

@test "norms that grow at all workers are accepted" {
    rogue_train -a 'norm:1e30,n=10,every=1 norm:1e30,n=10,every=1' -p bsp
    [ "$status" -eq 0 ]
    applied_once 1920
    json_true run/summary.json '.workers_lost == 0 and .rejected_pushes > 0'
}

@test "replaced: another process, --max-restarts times" {
    rogue_train 'garbage@ordered exit:5@ordered,n=1,lives=9' \
        --max-restarts 2 --set epochs=20 "${own[@]}"
    [ "$status" -eq 0 ]
    applied_once 9600
    lost 1 'starting it again\|protocol'
    [ "$(grep -c '"event":"lost","rank":2,' run/events.jsonl)" -eq 3 ]
    [ "$(grep -c '"then":"drop"' run/events.jsonl)" -eq 1 ]
    json_true run/summary.json '.per_worker[2].restarts == 2'
}

@test "what a second process would do as well ends a run that begins" {
    local deed
    for deed in network:6 data:3 frame:BYE@joined:6 error:3@joined:3; do
        rogue_train "${deed%:*}"
        [ "$status" -eq "${deed##*:}" ]
        grep -q 'train: worker 1 (' <<<"$stderr"
    done
}

@test "honest workers: nothing of the job for digits is rejected" {
    expect 0 train "$EBSP_SRCDIR/models/lenet5-digits.json" -r run -q \
        --set epochs=1 --set data.train=2000 --set data.test=200
    json_true run/summary.json '.rejected_pushes == 0 and .workers_lost == 0'
}
