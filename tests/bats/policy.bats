#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ebsp policy: what a user sees and types.  Wrong plugins: tests/abi/abi.bats.
load ebsp

# compile NAME: as ebsp-policy(1) says, against the header of this source.
compile() {
    local flags
    flags=$(PKG_CONFIG_PATH=$EBSP_BUILDDIR pkg-config --cflags \
        --define-variable=includedir="$EBSP_SRCDIR/include" ebsp)
    # shellcheck disable=SC2086 # several words in both
    ${CC:-cc} $flags -Wall -Wextra -Wpedantic -Werror -shared -fPIC \
        "$1.c" -o "$1.so"
}

# new_plugin NAME: written, built, unchanged
new_plugin() {
    ebsp policy new "$1"
    compile "$1"
}

@test "list names every plugin of the build once, with its summary" {
    expect 0 policy list
    for plugin in "$EBSP_BUILDDIR"/plugins/*.so; do
        name=$(basename "$plugin" .so)
        [ "$(grep -c "^$name  *[a-z]" <<<"$output")" -eq 1 ]
    done
    [ "$(sort <<<"$output")" = "$output" ]
    ebsp policy list --json >list.json
    json_true list.json 'map(.name) | index("bsp") and index("asp")'
    json_true list.json 'all(.summary and .version and .path and .options)'
}

@test "list goes on behind a plugin that cannot be loaded" {
    mkdir policies
    echo "not a plugin" >policies/broken.so
    EBSP_POLICY_PATH=$PWD/policies expect 0 policy list
    stdout_has "bsp "
    stderr_has "broken.so"
}

@test "show tells promises and options, with the values given" {
    expect 0 policy show bsp
    stdout_has "staleness at most 0, clock gap at most 1"
    new_plugin mine
    expect 0 policy show mine.so:damping=2
    stdout_has "damping=number from 0 to 1000 (default 1, here 2)"
    ebsp policy show --json ./mine.so:damping=2 >show.json
    json_true show.json '.options[0].value == "2" and .abi == [1, 0]'
}

@test "every policy of the build passes the conformance suite" {
    for plugin in "$EBSP_BUILDDIR"/plugins/*.so; do
        expect 0 policy check --schedules 500 "$plugin"
        stdout_has "no violation in "
    done
}

@test "a new policy builds without a warning, passes the check and is found" {
    expect 0 policy new my-policy
    stdout_has "wrote my-policy.c and my-policy.README"
    rm my-policy.c my-policy.README
    new_plugin my-policy
    expect 0 policy check ./my-policy.so
    stdout_has "no violation in 2000 random schedules"
    EBSP_POLICY_PATH=$PWD expect 0 policy show my-policy
    grep -q 'pkg-config --cflags ebsp' my-policy.README
}

@test "a new policy overwrites nothing and leaves no half" {
    mkdir there
    echo mine >there/p.README
    expect 1 policy new p --directory there
    stderr_has "p.README: exists already"
    [ "$(cat there/p.README)" = mine ]
    [ ! -e there/p.c ]
    expect 5 policy new p --directory nowhere
}

@test "the same seed gives the same result, byte for byte" {
    expect 0 policy check asp --seed 7 --schedules 50 --json
    first=$output
    expect 0 policy check asp --seed 7 --schedules 50 --json
    [ "$output" = "$first" ]
    expect 0 policy check asp --seed 8 --schedules 50 --json
    [ "$output" != "$first" ]
}

@test "a failure can be repeated alone" {
    # deadlocks when a worker is lost
    ebsp policy new bad
    sed -i 's/case EBSP_EVENT_JOIN:.*/case EBSP_EVENT_JOIN: if (p->is_started) return 0;/' bad.c
    compile bad
    expect 7 policy check bad.so
    # shellcheck disable=SC2154 # set by run --separate-stderr
    [[ $stderr =~ schedule\ ([0-9]+)\ \(seed\ 1 ]]
    text=$stderr
    expect 7 policy check bad.so --first "${BASH_REMATCH[1]}" --schedules 1
    [ "$stderr" = "$text" ]
}

@test "wrong usage ends with status 2 and says what was expected" {
    expect 2 policy
    stderr_has "expected list, show, check or new"
    expect 2 policy lst
    stderr_has 'did you mean "list"?'
    expect 2 policy show
    stderr_has "show: expected NAME or FILE.so"
    expect 2 policy list bsp
    expect 2 policy check bsp --schedules 0
    stderr_has '--schedules "0", expected an integer from 1'
    expect 2 policy check bsp --sed 1
    stderr_has 'did you mean "--seed"?'
    expect 2 policy new Bad_Name
    stderr_has "expected a-z, 0-9 and -"
}

@test "a wrong spec ends with status 2 and the nearest name" {
    expect 2 policy show bps
    stderr_has 'no policy "bps", did you mean "bsp"?'
    expect 2 policy show bsp:rounds=1
    stderr_has 'policy "bsp": no option "rounds", it has none'
    new_plugin mine
    expect 2 policy show mine.so:dampin=1
    stderr_has 'no option "dampin", did you mean "damping"?'
    expect 2 policy show mine.so:damping=x
    stderr_has '"x" is not a number from 0 to 1000'
}
