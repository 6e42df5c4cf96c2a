#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The lints themselves: each passes a small clean tree and, for every kind of
# bad file, fails and names it.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

srcdir=$PWD
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
spdx='/* SPDX-License-Identifier: Apache-2.0 */'

# put FILE LINE...: a file with the licence line and these lines.
put() {
    mkdir -p "$tree/$(dirname "$1")"
    printf '%s\n' "$spdx" "${@:2}" >"$tree/$1"
}

clean_tree() {
    rm -rf "$tree"
    mkdir -p "$tree"
    cp "$srcdir/.clang-format" "$tree"
    [ ! -e "$srcdir/.clang-tidy" ] || cp "$srcdir/.clang-tidy" "$tree"
    put src/base/a.h '#ifndef EBSP_BASE_A_H' '#define EBSP_BASE_A_H' '' \
        'int a_get(void);' '' '#endif'
    put src/base/a.c '#include "base/a.h"' '' 'int' 'a_get(void)' '{' \
        '    return 1; /* not atoi("1") */' '}'
    put include/ebsp/policy.h '#include <stdint.h>'
    echo '{}' >"$tree/ok.json"
}

# run_lint NAME: its output; how it ended in $lint_status.
run_lint() {
    lint_status=0
    lint_output=$(EBSP_SRCDIR=$tree bash "$lint_dir/$1.sh" 2>&1) ||
        lint_status=$?
}

# The clean tree is green, for else red would mean nothing.
for name in layers text banned headers format cppcheck tidy shell; do
    clean_tree
    run_lint "$name"
    bad=
    ((lint_status == 0)) || bad=$lint_output
    [[ $lint_output == *1..* ]] || bad="no plan: $lint_output"
    verdict "$name passes a clean tree" "$bad"
done

# red LINT OFFENCE FILE LINE...: with this file the lint is red and says so.
red() {
    local name=$1 offence=$2
    clean_tree
    put "${@:3}"
    expect_red "$name" "$offence"
}
expect_red() {
    run_lint "$1"
    local bad=
    if [[ $lint_output == *"# SKIP"* && $lint_output != *"not ok"* ]]; then
        skip "$1: $2" "${lint_output#*# SKIP }"
        return
    fi
    ((lint_status)) || bad="green: $lint_output"
    [[ $lint_output == *"$2"* ]] || bad="not said: $lint_output"
    verdict "$1: $2" "$bad"
}

red layers "base must not include wire/" src/base/b.c '#include "wire/w.h"'
red layers "sim must not include ps/" src/sim/b.c '#include "ps/other.h"'
red layers "wire must not include nn/" src/wire/b.c '  # include "nn/n.h"'
red layers "room new is not in the table" src/new/b.c '#include "base/a.h"'
red layers "not written from src/" src/base/b.c '#include "a.h"'
red layers "not written from src/" src/base/b.c '#include "../base/a.h"'
red layers "no room nowhere" src/cmd/b.c '#include "nowhere/a.h"'
red layers "plugins/p/p.c:2" plugins/p/p.c '#include "base/a.h"'
red layers "src/nn/b.c:2: <jansson.h>" src/nn/b.c '#include <jansson.h>'
red layers "src/io/b.c:2: <dnnl.h>" src/io/b.c '#include <dnnl.h>'
red layers "src/nn/b.c:2: <openssl/sha.h>" src/nn/b.c '#include <openssl/sha.h>'
red layers "src/cmd/b.c:2: <uv.h>" src/cmd/b.c '#include <uv.h>'
red layers "src/ps/b.c:2: <argp.h>" src/ps/b.c '#include <argp.h>'
red layers "policy.h:2: <unistd.h>" include/ebsp/policy.h '#include <unistd.h>'

clean_tree
echo 'int x;' >"$tree/src/base/b.c"
expect_red text "src/base/b.c:1: no SPDX"
clean_tree
printf '#!/bin/sh\nexit 0\n' >"$tree/b.sh"
expect_red text "b.sh:2: no SPDX"
red text "src/base/b.c:2:int x; " src/base/b.c 'int x; '
clean_tree
printf '%s' "$spdx" >"$tree/src/base/b.c"
expect_red text "src/base/b.c: no newline"
clean_tree
{ echo "$spdx" && printf '\n%.0s' {1..800}; } >"$tree/src/base/b.c"
expect_red text "src/base/b.c: 801 lines"
red text "src/base/b.c:2:" src/base/b.c "/* TO""DO later */"
red text "src/base/b.c:2:" src/base/b.c "/* see /wo""rk/x */"
red text "man/x.1.pod:2:" man/x.1.pod "look into ../sha""red"
clean_tree
echo '{"a": 1,}' >"$tree/bad.json"
expect_red text "bad.json: parse error"
clean_tree
printf '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n' >"$tree/quickstart"
expect_red text "quickstart: chmod +x"
clean_tree
printf '#!/bin/sh\nexit 0\n' >"$tree/odd"
expect_red text "odd:2: no SPDX"

for call in 'strcpy(a, b)' 'sprintf(a, "x")' 'atoi (s)' 'system(s)' \
    'rand()' 'strtok(s, "/*")'; do
    red banned "src/cmd/b.c:3: ${call//[!a-z]*/}" src/cmd/b.c '/*' \
        "*/ $call;" 2>/dev/null
done
red banned "src/ps/b.c:2: printf" src/ps/b.c 'void f(void) { printf("x"); }'
red banned "src/ps/b.c:2: exit" src/ps/b.c 'void f(void) { exit(1); }'

red headers "src/base/b.h does not compile alone" src/base/b.h \
    '#ifndef EBSP_BASE_B_H' '#define EBSP_BASE_B_H' 'size_t b(void);' '#endif'
red headers "src/base/b.h: no EBSP_BASE_B_H" src/base/b.h 'struct b;'
red headers "src/base/b.h does not compile alone" src/base/b.h \
    '#define EBSP_BASE_B_H' 'enum b { B };'
red headers "not ok 3 - ebsp/policy.h is valid c99" include/ebsp/policy.h \
    '#ifndef P' '#define P' 'struct s { union { int a; }; };' '#endif'
red headers "not ok 5 - ebsp/policy.h is valid c++11" include/ebsp/policy.h \
    '#ifndef P' '#define P' 'struct s { int class; };' '#endif'

red format "src/base/b.c:2" src/base/b.c 'int  x;'
red cppcheck "src/base/b.c:2" src/base/b.c 'int f(void); int f(void) { int a[2]; a[2] = 1; return a[0]; }'
red tidy "src/base/b.c:4" src/base/b.c '#include <string.h>' \
    'int f(const char *s);' 'int f(const char *s) { return strlen(s) == 1 || strlen(s) == 1; }'
clean_tree
# shellcheck disable=SC2016 # the dollar signs are the bad example
printf '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\nrm $1\n' >"$tree/b.sh"
expect_red shell "b.sh:3:"
mv "$tree/b.sh" "$tree/odd"
expect_red shell "odd:3:"
clean_tree
# shellcheck disable=SC2016
printf '#!/usr/bin/env bats\n@test "x" {\n  rm $HOME\n}\n' >"$tree/b.bats"
expect_red shell "b.bats:3:"

done_linting
