#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may include whom, and the one door to each library.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "${BASH_SOURCE[0]}")/lint.bash"

# Room, then the rooms it may include besides itself: never upward, never
# sideways, and downward only where it is written here.  `ebsp` is the policy
# ABI, `plugins` the pure libraries below plugins/ (zipline).  A name with a
# slash is one header: virtual-time training takes the worker's step and the
# server's accounts, nothing else of those rooms; a job reads the numbers of an
# emulated link, which know of no socket.  A parameter server has the store of
# ps, and begins its life as a worker does.  A study is a matrix of runs, of which
# the simulator makes the virtual ones: sim lies below it, not beside it.
rooms='
base
wire    base ebsp
nn      base
codec   base
io      base wire
data    base nn
policy  base ebsp
job     base nn codec data policy io/link.h
ps      base wire io nn codec data policy job ebsp
serve   base wire io nn job ps/store.h
worker  base wire io nn codec data job serve/serve.h
launch  base wire io
sim     base nn codec data policy job ebsp wire worker/compute.h ps/ledger.h
study   base nn data policy job sim io/link.h ebsp
chaos   base io data job
report  base job
view    base io job
cmd     base wire io nn codec data policy job ps worker launch sim study chaos report view ebsp plugins
main    base cmd
'

# Header of a library, then the only places that may include it.
doors='
jansson[.]h                      src/base/json[.]h
(oneapi/dnnl/)?dnnl[a-z_]*[.]h   src/nn/
uv(/.*)?[.]h                     src/io/
openssl/.*                      src/io/
(archive|archive_entry|zlib)[.]h src/data/
(xxhash|xxh_x86dispatch)[.]h     src/wire/
dlfcn[.]h                        src/policy/
microhttpd[.]h                   src/view/http[.]c
n?curses[.]h                     src/cmd/top_screen[.]c
argp[.]h                         src/(cmd/|main[.]c)
'

# includes FILE...: "file line target" of each #include, <> or "" kept.
includes() {
    (($# == 0)) || awk '
        /^[ \t]*#[ \t]*include/ {
            sub(/^[ \t]*#[ \t]*include[ \t]*/, "")
            match($0, /^(<[^>]*>|"[^"]*")/)
            print FILENAME, FNR, substr($0, RSTART, RLENGTH)
        }' "$@"
}

mapfile -t sources < <(files 'src/*.[ch]' 'include/*.h' 'plugins/*.[ch]')
all=$(includes "${sources[@]}")

# Quoted includes of src/: written from src/, and allowed by the table.
verdict "src includes downward only" "$(awk -v rooms="$rooms" '
    BEGIN {
        n = split(rooms, line, "\n")
        for (i = 1; i <= n; i++) {
            m = split(line[i], word, " ")
            for (j = 1; j <= m; j++)
                may[word[1], word[j]] = known[word[j]] = 1
        }
    }
    $1 ~ /^src\// && $3 ~ /^"/ {
        split($1, part, "/")
        from = part[2] ~ /\.[ch]$/ ? "main" : part[2]
        target = substr($3, 2, length($3) - 2)
        where = $1 ":" $2 ": "
        slash = index(target, "/")
        to = substr(target, 1, slash - 1)
        if (target == "config.h")
            next
        if (!(to in known) && slash &&
            !system("test -f \"plugins/" target "\""))
            to = "plugins"
        if (!(from in known))
            print where "room " from " is not in the table of layers.sh"
        else if (!slash || target ~ /\.\./)
            print where "\"" target "\" is not written from src/"
        else if (!(to in known))
            print where "no room " to
        else if (!((from, to) in may) && !((from, target) in may))
            print where from " must not include " to "/"
    }' <<<"$all")"

# A plugin sees the ABI and files below plugins/, nothing of the program.
verdict "plugins include nothing of src" "$(awk '
    $1 ~ /^plugins\// && $3 ~ /^"/ {
        target = substr($3, 2, length($3) - 2)
        if (target ~ /^ebsp\//)
            next
        folder = $1
        sub(/[^\/]*$/, "", folder)
        if (system("test -f \"" folder target "\"") &&
            system("test -f \"plugins/" target "\""))
            print $1 ":" $2 ": " $3 " is not below plugins/"
    }' <<<"$all")"

verdict "the ABI header needs only the C library" "$(awk '
    $1 ~ /^include\// && $3 !~ /^<std[a-z]*[.]h>$/ {
        print $1 ":" $2 ": " $3
    }' <<<"$all")"

while read -r header place; do
    [ -n "$header" ] || continue
    verdict "only $place includes $header" "$(awk -v h="^[<\"]${header}[>\"]$" \
        -v p="^$place" '$3 ~ h && $1 !~ p { print $1 ":" $2 ": " $3 }' \
        <<<"$all")"
done <<<"$doors"

done_linting
