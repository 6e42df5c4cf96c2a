#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# What `make install` puts where, and that it works there.
load ebsp

setup() {
    ebsp_setup
    root=$PWD/root
    # This build's make, not a part of the one that runs the tests.
    unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
}

build() { make -s --no-print-directory -C "$EBSP_BUILDDIR" DESTDIR="$root" "$@"; }
installed() { find "$root" "$@" ! -type d -printf '%f\n' | sort; }
prefix() { cd "$root$(build print-prefix)" && pwd; }

@test "program, header, policies, jobs, manual and pkg-config file" {
    build install >log 2>&1
    local prefix
    prefix=$(prefix)
    [ -x "$prefix/bin/ebsp" ]
    cmp "$prefix/include/ebsp/policy.h" "$EBSP_SRCDIR/include/ebsp/policy.h"
    diff <(installed -name '*.so') \
        <(cd "$EBSP_BUILDDIR/plugins" && printf '%s\n' *.so | sort)
    diff <(installed -path '*/models/*.json') \
        <(cd "$EBSP_SRCDIR/models" && printf '%s\n' *.json | sort)
    diff <(installed -path '*/scenarios/*.json') \
        <(cd "$EBSP_SRCDIR/scenarios" && printf '%s\n' *.json | sort)
    diff <(installed -path '*/man/*') \
        <(cd "$EBSP_SRCDIR/man" && printf '%s\n' *.pod | sed 's/\.pod$//' | sort)
    [ -f "$prefix/lib/pkgconfig/ebsp.pc" ]
}

@test "the installed program finds the installed policies" {
    build install >log 2>&1
    EBSP=$(prefix)/bin/ebsp
    expect 0 policy list
    local file
    for file in "$EBSP_BUILDDIR"/plugins/*.so; do
        file=${file##*/}
        stdout_has "${file%.so}"
    done
}

@test "a plugin builds against the installed header" {
    build install >log 2>&1
    local prefix flags
    prefix=$(prefix)
    flags=$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig \
        pkg-config --define-variable=prefix="$prefix" --cflags ebsp)
    export EBSP=$prefix/bin/ebsp
    expect 0 policy new mine
    # shellcheck disable=SC2086 # several words
    "${CC:-cc}" $flags -shared -fPIC -o mine.so mine.c
    expect 0 policy show ./mine.so
}

@test "uninstall takes everything away" {
    build install >log 2>&1
    build uninstall >log 2>&1
    [ -z "$(installed)" ]
}
