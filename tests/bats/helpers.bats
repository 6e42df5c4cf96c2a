#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# ebsp.bash itself: a helper that cannot fail would hide what it looks for.
# shellcheck disable=SC2016 # the inner tests expand their variables
load ebsp

# inner LINE...: runs these lines as a test of their own, with sleep(1) in the
# role of ebsp.
inner() {
    cp "$(command -v sleep)" fake
    {
        echo "load $EBSP_SRCDIR/tests/bats/ebsp"
        echo '@test "inner" {'
        printf '%s\n' "$@" '}'
    } >inner.bats
    # A bats inside bats must not know of the outer one.
    run env -u BATS_TEST_TIMEOUT -u BATS_RUN_TMPDIR EBSP="$PWD/fake" \
        EBSP_TEST_PATIENCE=1 bats --tap --print-output-on-failure inner.bats
}

@test "a process that bg started is ended" {
    inner 'bg log ebsp 60' 'echo $! >../../pid' \
        'within 5 grep -q fake "/proc/$!/cmdline"'
    [ "$status" -eq 0 ]
}

@test "a process left behind fails the test and is named" {
    inner 'leftover_grace=1' \
        '(setsid "$EBSP" 60 3>&- 4>&- >/dev/null 2>&1 &)' \
        'within 20 pgrep -f "^$EBSP 60"'
    [ "$status" -eq 1 ]
    [[ $output == *"left behind: "*"fake 60"* ]]
    # a signal does not end it at once
    within 20 is_ended "^$PWD/fake 60"
}
is_ended() { ! pgrep -f "$1"; }

@test "wait_for fails when the line does not come, and shows the file" {
    inner 'echo here >log' 'wait_for log here' 'wait_for log gone 1'
    [ "$status" -eq 1 ]
    [[ $output == *"no 'gone' in log:"*here* ]]
}

@test "finish gives the exit status and does not wait for ever" {
    inner 'bg log ebsp 0' 'finish $!' '[ "$status" -eq 0 ]' \
        'bg log ebsp x' 'finish $!' '[ "$status" -eq 1 ]'
    [ "$status" -eq 0 ]
    inner 'bg log ebsp 60' 'finish $! 1'
    [ "$status" -eq 1 ]
    [[ $output == *"still runs"* ]]
}

@test "expect checks the exit status" {
    inner 'expect 1 x' 'stderr_has "invalid time"' 'expect 0 x'
    [ "$status" -eq 1 ]
    [[ $output == *"exit status 1, expected 0"* ]]
}

@test "what is absent is skipped with the reason" {
    inner 'requires command -v no-such-program'
    [[ $output == *"# skip needs: command -v no-such-program"* ]]
    inner 'shared no-such-file'
    [[ $output == *"# skip no no-such-file beside the source"* ]]
}

@test "json_true looks at the value" {
    requires command -v jq
    inner 'echo "{\"a\": 1}" >f' 'json_true f ".a == 1"' \
        '[ "$(json f .a)" = 1 ]' 'json_true f ".a == 2"'
    [ "$status" -eq 1 ]
    [[ $output == *"not true in f: .a == 2"* ]]
}
