#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Plugins of yesterday load and run, wrong ones are refused with a reason.
load ../bats/ebsp
load ../bats/jobs

# build FILE.so HEADER [COMPILER FLAG...]: tests/abi/plugin.c against a header.
build() {
    local so=$1 header=$2
    shift 2
    (($#)) || set -- "${CC:-cc}"
    # CC may hold flags, too.
    # shellcheck disable=SC2068
    $@ -I"$EBSP_SRCDIR/include" -I"$EBSP_SRCDIR/tests/abi" \
        -DPOLICY_H="\"$header\"" -shared -fPIC -o "$so" \
        "$EBSP_SRCDIR/tests/abi/plugin.c"
}

# refuses FAULT TEXT: a plugin with this fault is refused with this reason.
refuses() {
    build wrong.so policy-1.0.h "${CC:-cc}" -w "-DFAULT_$1"
    expect 7 policy check --schedules 100 --timeout 2 ./wrong.so &&
        stderr_has "$2" && return
    # shellcheck disable=SC2154 # set by run --separate-stderr
    echo "FAULT_$1: $stderr"
    return 1
}

@test "a plugin built against the header of ABI 1.0 loads and runs" {
    build old.so policy-1.0.h
    expect 0 policy check ./old.so
    stdout_has "no violation in 2000 random schedules"
    expect 0 policy show old.so:rate=5
    stdout_has "(ABI 1.0)"
    stdout_has "here 5"
}

@test "a plugin builds as C99 and C11 without a warning" {
    for std in c99 c11; do
        build new.so ebsp/policy.h "${CC:-cc}" -std=$std -Wall -Wextra \
            -pedantic-errors -Werror
        expect 0 policy check --schedules 100 ./new.so
    done
}

@test "a plugin builds as C++11 and C++20 without a warning" {
    requires g++ --version
    for header in policy-1.0.h ebsp/policy.h; do
        for std in c++11 c++20; do
            build new.so $header g++ -x c++ -std=$std -Wall -Wextra \
                -pedantic-errors -Werror
            expect 0 policy check --schedules 100 ./new.so
        done
    done
}

@test "a plugin exports its entry and nothing else" {
    requires nm --version
    build new.so ebsp/policy.h "${CC:-cc}" -fvisibility=hidden
    [ "$(nm -D --defined-only new.so | awk '{ print $3 }')" = \
        ebsp_policy_entry ]
}

@test "what is not a plugin is refused" {
    expect 7 policy check ./absent.so
    stderr_has "cannot load plugin: ./absent.so"
    echo "hello" >text.so
    expect 7 policy check ./text.so
    stderr_has "cannot load plugin: ./text.so"
    refuses NO_ENTRY 'no symbol ebsp_policy_entry'
    refuses NULL_ENTRY 'its entry returns NULL'
    refuses MAGIC 'not an ebsp policy: magic 0x12345678'
    refuses UNDEFINED_SYMBOL 'undefined symbol: ebsp_has_no_such_function'
}

@test "a plugin of another ABI is refused" {
    refuses MAJOR 'built for policy ABI 2.0, this ebsp has 1.0'
    refuses TRUNCATED 'struct_size 40, expected'
    refuses HUGE 'struct_size 100000, expected'
    refuses NEEDS 'needs what this ebsp cannot do (bits 0x10000000000)'
}

@test "a plugin that describes itself wrongly is refused" {
    refuses CALLBACK 'no on_event callback'
    refuses NAME 'no proper name'
    refuses SUMMARY 'no version or summary of one line'
    refuses STRIDE 'option_stride'
    refuses OPTION_NAME 'option 0 has no proper name'
    refuses OPTION_RANGE '"1000" is not an integer from 0 to 9'
    refuses OPTION_TYPE '"fast" is not an integer from 0 to 9'
}

@test "the conformance suite finds illegal actions and deadlocks" {
    refuses ACT_IN_CREATE 'acts outside of on_event'
    refuses NAN 'ADD with a weight that is not finite'
    refuses FORGETS_LEAVE 'it is not there'
    refuses NO_RELEASE 'deadlock after'
    refuses WAITS_FOR_EVER 'between two other events, while all workers are held'
    refuses NO_COMMIT 'added but not committed'
    refuses BOUND 'promised a staleness of at most 2'
}

@test "a policy that never ends does not keep a run from it" {
    build wrong.so policy-1.0.h "${CC:-cc}" -w -DFAULT_WAITS_FOR_EVER
    expect 7 simulate -n 4 -p ./wrong.so --speeds 10 --iterations 50
    stderr_has 'between two other events, while all workers are held'
    build wrong.so policy-1.0.h "${CC:-cc}" -w -DFAULT_NO_COMMIT
    expect 7 simulate -n 3 -p ./wrong.so --speeds 10 --iterations 25
    stderr_has '1 push added but not committed when the last worker left'
    blobs_job j.json '.data.train = 460 | .epochs = 3'
    expect 7 train j.json -q -p ./wrong.so
    stderr_has '1 push added but not committed when the last worker left'
}

@test "the conformance suite finds what is not reproducible" {
    refuses STATIC_STATE 'the same events give other actions'
    refuses ADDRESS_DEPENDENT 'the same events give other actions'
}

@test "the conformance suite finds what would fail in a later ebsp" {
    refuses EXACT_EVENT_SIZE 'structs from the future'
    refuses EXACT_HOST_SIZE 'strange host'
    refuses KNOWS_EVERYTHING 'on event of unknown kind'
}

@test "a plugin that crashes, ends the process or hangs is reported" {
    # A sanitizer ends the process where the signal would.
    refuses CRASH 'schedule 0 (seed 1): "./wrong.so"'
    refuses EXIT '"./wrong.so" ended the process'
    refuses HANG 'does not return from a callback within 2 s'
}

@test "a plugin whose file has another name than itself is refused" {
    mkdir policies
    build policies/other.so policy-1.0.h
    export EBSP_POLICY_PATH=$PWD/policies
    expect 7 policy show other
    stderr_has 'calls itself "plugin"'
    mv policies/other.so policies/plugin.so
    expect 0 policy show plugin
}
