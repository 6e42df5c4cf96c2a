#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# What quickstart says and runs, with stand-ins for the system's programs.
# shellcheck disable=SC2016 # the stand-ins expand their variables
load ebsp

setup() {
    ebsp_setup
    mkdir bin tree
    cp "$EBSP_SRCDIR/quickstart" tree
    # Every package is installed but those in the file "absent".
    : >absent
    tool dpkg-query 'sed -n "s/^\([a-z+0-9-]\{2,\}\) .*/\1 installed/p" \
        "$EBSP_SRCDIR/quickstart" | grep -vxFf <(sed "s/$/ installed/" absent)'
    tool apt-get 'echo "apt-get $*" >>ran'
    tool id 'echo 0'
    export PATH=$PWD/bin:$PATH
}

# tool NAME SCRIPT: a program of this name comes first in PATH.  It runs in
# the test's folder.
tool() {
    printf '#!/usr/bin/env bash\ncd %q\n%s\n' "$PWD" "$2" >"bin/$1"
    chmod +x "bin/$1"
}

@test "deps runs nothing when nothing is missing" {
    run tree/quickstart deps check
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ ! -e ran ]
}

@test "deps says what it installs and why" {
    printf '%s\n' libdnnl-dev make bats >absent
    run tree/quickstart deps
    [ "$status" -eq 0 ]
    [[ $output == *"libdnnl-dev "*"tensor math"* ]]
    [[ $output != *bats* ]]
    diff ran - <<'END'
apt-get update -q
apt-get install -q -y --no-install-recommends make libdnnl-dev
END
}

@test "deps check installs what the tests need, too" {
    echo bats >absent
    run tree/quickstart deps check
    [ "$status" -eq 0 ]
    grep -q 'install .* bats$' ran
}

@test "a failed apt-get update ends it" {
    echo make >absent
    tool apt-get 'echo "apt-get $*" >>ran; exit 100'
    run tree/quickstart deps
    [ "$status" -eq 100 ]
    [ "$(wc -l <ran)" -eq 1 ]
}

@test "neither root nor sudo: it says so" {
    echo make >absent
    tool id 'echo 1000'
    tool sudo 'exit 1'
    run tree/quickstart deps </dev/null
    [ "$status" -eq 1 ]
    [[ $output == *"needs root or sudo"*apt-get* ]]
    [ ! -e ran ]
}

@test "not root: sudo is used" {
    echo make >absent
    tool id 'echo 1000'
    tool sudo '[ "$1" = -n ] || echo "sudo $*" >>ran'
    run tree/quickstart deps </dev/null
    [ "$status" -eq 0 ]
    grep -q '^sudo env DEBIAN_FRONTEND=noninteractive apt-get update' ran
}

@test "an unknown command is a usage error" {
    run tree/quickstart dance
    [ "$status" -eq 2 ]
    [[ $output == usage:* ]]
}

# A tree whose configure does nothing and whose make writes the results that
# are in the file TARGET.trs, or fails when there is none.
fake_project() {
    mkdir -p tree/{src,plugins,models,scenarios,man,tests}
    touch tree/{configure.ac,Makefile.am,Makefile.in}
    printf '#!/bin/sh\ntouch config.status\n' >tree/configure
    chmod +x tree/configure
    cat >bin/make <<END
#!/usr/bin/env bash
folder=.
while (("\$#")); do
    case \$1 in
    -C) folder=\$2 && shift ;;
    -j) shift ;;
    -* | *=*) ;;
    *) target=\$1 ;;
    esac
    shift
done
cd "\$folder"
if [ -z "\${target:-}" ]; then
    printf '#!/bin/sh\necho "run: \$*"\n' >ebsp && chmod +x ebsp
    exit 0
fi
case \$target in
check-clang | check-asan) out=variants/\${target#check-}/tests ;;
lint) out=tests/lint ;;
distcheck) cat "$PWD/distcheck.trs" && exit 0 || exit 2 ;;
*) out=tests ;;
esac
mkdir -p "\$out"
cat "$PWD/\$target.trs" >"\$out/\$target.trs" || exit 2
echo 'not ok 1 - the reason' >"\$out/\$target.log"
! grep -q FAIL "\$out/\$target.trs"
END
    chmod +x bin/make
    local target
    touch distcheck.trs
    for target in check-unit check-system check-clang check-asan lint; do
        echo ':test-result: PASS 1 - fine' >"$target.trs"
    done
}

@test "train builds, then trains with our arguments last" {
    fake_project
    run tree/quickstart train --seed 7
    [ "$status" -eq 0 ]
    [[ ${lines[-1]} == "run: train models/lenet5-digits.json --workers 4 "*" --seed 7" ]]
}

@test "check adds up the results of all builds" {
    fake_project
    echo ':test-result: PASS 2 - fine' >>check-unit.trs
    run tree/quickstart check
    [ "$status" -eq 0 ]
    [ "${lines[-1]}" = "7 passed, 0 failed" ]
}

@test "check counts again, not on top, when it runs again" {
    fake_project
    tree/quickstart check
    run tree/quickstart check
    [ "${lines[-1]}" = "6 passed, 0 failed" ]
}

@test "check says what failed and what was skipped" {
    fake_project
    echo ':test-result: SKIP 2 - no data' >>check-system.trs
    echo ':test-result: FAIL 2 - broken' >>check-asan.trs
    run tree/quickstart check
    [ "$status" -eq 1 ]
    [[ $output == *"FAIL 2 - broken"*"the reason"* ]]
    [ "${lines[-1]}" = "6 passed, 1 failed, 1 skipped" ]
}

@test "a build that breaks is a failed check" {
    fake_project
    rm check-clang.trs
    run tree/quickstart check
    [ "$status" -eq 1 ]
    [[ $output == *"exit status 2"*"check-clang.trs: No such file"* ]]
    [ "${lines[-1]}" = "5 passed, 1 failed" ]
}

@test "a release that does not build is a failed check" {
    fake_project
    rm distcheck.trs
    run tree/quickstart check
    [ "$status" -eq 1 ]
    [ "${lines[-1]}" = "5 passed, 1 failed" ]
}

@test "a configured source folder is refused with the remedy" {
    fake_project
    touch tree/config.status
    run tree/quickstart build
    [ "$status" -eq 1 ]
    [[ $output == *"make distclean"* ]]
}
