# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Loaded by every .bats file (`load ebsp`).  A test runs in a folder of its
# own; it never sleeps for a condition but waits for it with a limit; and it
# fails when it leaves an ebsp process behind.
#
# A file that needs its own setup() or teardown() calls ebsp_setup or
# ebsp_teardown in it.
bats_require_minimum_version 1.5.0

# By hand (`bats ../tests/bats/x.bats`) nothing is set: take the build that we
# are in, else the one of quickstart.
EBSP_SRCDIR=${EBSP_SRCDIR:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
if [ -z "${EBSP_BUILDDIR:-}" ]; then
    EBSP_BUILDDIR=$EBSP_SRCDIR/build
    [ ! -x "$PWD/ebsp" ] || EBSP_BUILDDIR=$PWD
fi
EBSP=${EBSP:-$EBSP_BUILDDIR/ebsp}
EBSP_SHARED=${EBSP_SHARED:-$EBSP_SRCDIR/../shared}
export EBSP_SRCDIR EBSP_BUILDDIR EBSP EBSP_SHARED

ebsp_setup() {
    cd "$BATS_TEST_TMPDIR" || return
    export HOME=$BATS_TEST_TMPDIR LC_ALL=C.UTF-8 TZ=UTC
    unset EBSP_POLICY_PATH
    pids=()
    leftover_grace=10
}

ebsp_teardown() {
    local pid left=()
    if ((${#pids[@]})); then
        kill "${pids[@]}" 2>/dev/null || true
        for pid in "${pids[@]}"; do
            ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
        done
    fi
    # A worker notices that its coordinator is gone; it may take a moment.
    within "$leftover_grace" no_leftovers && return
    mapfile -t left < <(leftovers)
    for pid in "${left[@]}"; do
        echo "left behind: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
    done
    kill -KILL "${left[@]}" 2>/dev/null || true
    return 1
}

setup() { ebsp_setup; }
teardown() { ebsp_teardown; }

# --- running ---------------------------------------------------------------

# ebsp ARG...: the program of this build.
ebsp() { "$EBSP" "$@"; }

# run_ebsp ARG...: sets $status, $output, $stderr and their lines.
run_ebsp() { run --separate-stderr -- "$EBSP" "$@"; }

# expect STATUS ARG...: run_ebsp that must end with this exit status.
expect() {
    local want=$1
    shift
    run_ebsp "$@"
    [ "$status" -eq "$want" ] && return
    echo "ebsp $*: exit status $status, expected $want"
    return 1
}

# stdout_has TEXT, stderr_has TEXT: of the last run_ebsp; plain text.
stdout_has() {
    # shellcheck disable=SC2154 # set by run
    [[ $output == *"$1"* ]] || { echo "no '$1' in stdout" && return 1; }
}
stderr_has() {
    # shellcheck disable=SC2154 # set by run --separate-stderr
    [[ $stderr == *"$1"* ]] || { echo "no '$1' in stderr" && return 1; }
}

# bg LOG CMD...: runs in the background, stdout and stderr in LOG; its process
# id is $!.  Descriptors 3 and 4 belong to bats, which would wait for a child
# that keeps them open.
bg() {
    local log=$1
    shift
    [ "$1" != ebsp ] || set -- "$EBSP" "${@:2}"
    "$@" >"$log" 2>&1 3>&- 4>&- &
    pids+=($!)
}

# --- waiting ---------------------------------------------------------------

# within SECONDS CMD...: until CMD succeeds.  EBSP_TEST_PATIENCE multiplies
# the limit on slow builds (sanitizers, valgrind).
within() {
    local end=$((SECONDS + $1 * ${EBSP_TEST_PATIENCE:-1}))
    shift
    until "$@"; do
        ((SECONDS <= end)) || return 1
        sleep 0.05
    done
}

# wait_for FILE PATTERN [SECONDS]: until a line of FILE matches.
wait_for() {
    within "${3:-20}" grep -qs -e "$2" -- "$1" && return
    echo "no '$2' in $1:"
    cat -- "$1"
    return 1
}

# ended PID [SECONDS]: until a background process has ended.
ended() { within "${2:-20}" is_gone "$1"; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# finish PID [SECONDS]: waits for it; sets $status.
finish() {
    ended "$1" "${2:-60}" || {
        echo "process $1 still runs" && return 1
    }
    status=0
    wait "$1" || status=$?
}

# leftovers: ids of ebsp processes that this test started and did not end.
leftovers() {
    local program exe
    program=$(readlink -f -- "$EBSP") || return 0
    find /proc/[0-9]*/exe \( -lname "$program" -o \
        -lname "$program (deleted)" \) 2>/dev/null |
        while IFS= read -r exe; do
            ! grep -qsxzF "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" \
                "${exe%exe}environ" || basename "${exe%/exe}"
        done
}
no_leftovers() { [ -z "$(leftovers)" ]; }

# --- conditions and files --------------------------------------------------

# requires CMD...: skips, does not fail, when the machine lacks something.
requires() {
    "$@" >/dev/null 2>&1 || skip "needs: $*"
}

# shared FILE: skips where the data sets beside the source are absent.
shared() {
    [ -e "$EBSP_SHARED/$1" ] || skip "no $1 beside the source"
}

# json FILE EXPRESSION: prints what jq finds, strings without quotes.
json() {
    command -v jq >/dev/null || skip "needs: jq"
    jq -r "$2" -- "$1"
}

# json_true FILE EXPRESSION: the jq expression holds; else shows the file.
json_true() {
    command -v jq >/dev/null || skip "needs: jq"
    jq -e "$2" -- "$1" >/dev/null && return
    echo "not true in $1: $2"
    cat -- "$1"
    return 1
}
