#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ebsp-job(5), the JSON Schema and the program say the same about jobs.
# shellcheck disable=SC2016 # jq has variables of its own, Markdown backquotes
load ebsp
load jobs

setup() {
    ebsp_setup
    page=$EBSP_SRCDIR/man/ebsp-job.5.pod
    models=$EBSP_SRCDIR/models
    schema=$models/ebsp-job.schema.json
}

job_keys() { "$EBSP_SRCDIR/tests/bats/job-keys" "$@"; }

# --- keys ------------------------------------------------------------------

@test "the page tells the keys that the parser's tables have" {
    job_keys code "$EBSP_SRCDIR" >parser
    [ "$(wc -l <parser)" -gt 150 ]
    job_keys page "$page" | cut -d ' ' -f 1,2 | diff parser -
}

@test "the schema has the keys that the parser's tables have" {
    job_keys code "$EBSP_SRCDIR" >parser
    job_keys schema "$schema" | cut -d ' ' -f 1,2 | diff parser -
}

@test "page and schema tell the same types, ranges and defaults" {
    diff <(job_keys page "$page") <(job_keys schema "$schema")
}

# Jobs at every limit of the schema and beyond it, without what is required,
# with words that are none; see job-keys.  Where programs are slow, for a
# sanitizer looks at them, every fifth of these 700.
@test "the program has the ranges and words of the schema" {
    local file what words said status failed=0 n=0 every=1
    [ "${EBSP_TEST_PATIENCE:-1}" -eq 1 ] || every=5
    mkdir cases
    job_keys cases "$schema" cases >index
    while IFS=$'\t' read -r file what words; do
        [[ $file == left-* ]] && continue
        n=$((n + 1)) status=0
        ((n % every == 0)) || continue
        said=$("$EBSP" inspect "cases/$file" 2>&1) || status=$?
        if [[ $file == bad-* ]]; then
            [[ $status -eq 3 && $said =~ $words ]] && continue
            echo "$what: expected '$words', got $status: '$said'"
        else
            [[ $said =~ $words ]] || continue
            echo "$what: $said"
        fi
        failed=1
    done <index
    [ "$failed" -eq 0 ]
    [ "$n" -gt 400 ]
}

# What training reaches, to the bit.
reached() {
    "$EBSP" simulate --train "$1" -n 2 --speeds 1 --json -q |
        grep -E '"(params_hash|test_loss)"'
}

# bats test_tags=heavy
@test "to write a default is to leave it out" {
    local file what words left n=0
    mkdir cases
    job_keys cases "$schema" cases >index
    while IFS=$'\t' read -r file what words; do
        [[ $file == left-* ]] || continue
        if [ "$words" = out ]; then
            left=$(reached "cases/$file")
            continue
        fi
        [ -n "$left" ]
        [ "$(reached "cases/$file")" = "$left" ] || {
            echo "$what: not the default" && return 1
        }
        n=$((n + 1))
    done <index
    [ "$n" -gt 30 ]
}

@test "the defaults of the job itself are those that a run writes down" {
    local key value
    blobs_job j.json 'del(.epochs, .workers, .policy)'
    expect 0 train j.json -r run -q
    json run/job.json '.origin | to_entries[] | select(.value == "default" and
        .key != "data_dir") | .key' >keys
    [ "$(wc -l <keys)" -eq 13 ]
    while read -r key; do
        value=$(json run/job.json ".$key")
        job_keys page "$page" | grep -q "^job $key .* default $value$" || {
            echo "default of $key is $value" && return 1
        }
    done <keys
}

@test "layers without a name get the prefix that the page tells" {
    local type prefix n=0
    while read -r type prefix; do
        n=$((n + 1))
        jq -n --arg type "$type" '
            ({dense: {units: 4}, conv2d: {filters: 4, kernel: 3},
             maxpool: {kernel: 2}, avgpool: {kernel: 2},
             groupnorm: {groups: 2}, add: {input: ["c", "a"]}}[$type]
            + {type: $type}) as $l | ($type | test("cross|mse")) as $loss |
            {input: [4, 8, 8], data: {type: "blobs"}, batch: 1,
             optimizer: {lr: 1}, layers: [
                {type: "relu", name: "a"},
                {type: "relu", name: "b", input: "input"},
                {type: "add", name: "c", input: ["a", "b"]},
                (if $loss then empty else $l end),
                {type: "dense", name: "d", units: 4},
                (if $loss then $l else {type: "mse", name: "e"} end)]}' >j.json
        expect 0 inspect j.json || { echo "$stderr" && return 1; }
        # "add", "dense" and "relu" are there already
        grep -qE "^${prefix}[1-3] +$type " <<<"$output" || {
            echo "$output" && return 1
        }
    done < <(perl -00 -ne '
        s/\s+/ /g;
        $type = $1 if /^=head2 (\w+)/;
        print "$type $1\n" if $type && /Prefix C<(\w+)>/' "$page")
    [ "$n" -eq "$(job_keys page "$page" | grep -c '^layer:[a-z0-9_]* type')" ]
}

# --- examples --------------------------------------------------------------

# Every JSON text of the page into a file of its own.
examples() {
    perl -00 -ne '
        if (!/^ /) {
            close $out if $out;
            undef $out;
        } elsif (!$out && /^ +[{"]/) {
            open $out, ">", sprintf("example-%02d.json", ++$n) or die;
        }
        print $out $_ if $out;' "$page"
}

@test "the jobs among the examples are jobs, and their excerpts fit into one" {
    requires command -v jq
    local file n=0
    examples
    blobs_job base.json
    for file in example-*.json; do
        if grep -q '^ *"' <(head -n 1 "$file"); then
            (echo '{' && cat "$file" && echo '}') >excerpt.json
            jq -s '.[0] + .[1] | if .data.type == "cifar10" then
                .layers[2].units = 10 else . end' base.json excerpt.json >"$file"
        fi
        jq -e .layers "$file" >/dev/null || continue # describes raw arrays
        n=$((n + 1))
        expect 0 inspect "$file"
        expect 0 train --dry-run "$file"
        [ -z "$stderr" ] || [ "$(jq -r .data.type "$file")" = cifar10 ]
    done
    [ "$n" -ge 6 ]
}

@test "the residual network of the examples trains" {
    requires command -v jq
    local file
    examples
    for file in example-*.json; do
        [ "$(jq -r '.name?' "$file" 2>/dev/null)" = residual ] || continue
        expect 0 train "$file" -r run -q --set data.train=128 --set data.test=64
        json_true run/summary.json '.status == "done" and .samples == 256'
        return
    done
    false
}

@test "raw arrays are read as the page describes them" {
    requires command -v jq
    local file n=0 numbers bytes targets
    examples
    for file in example-*.json; do
        jq -e .train.x "$file" >/dev/null 2>&1 || continue
        n=$((n + 1))
        numbers=$(jq '.shape | reduce .[] as $d (1; . * $d)' "$file")
        bytes=$(jq 'if .type == "uint8" then 1 else 4 end' "$file")
        targets=$(jq '.n_targets // 0' "$file")
        for split in train test; do
            truncate -s $((20 * numbers * bytes)) \
                "$(jq -r ".$split.x" "$file")"
            truncate -s $((20 * (targets ? 4 * targets : 1))) \
                "$(jq -r ".$split | .labels // .targets" "$file")"
        done
        jq --arg file "$file" '{input: .shape, layers: [
            {type: "dense", units: (.classes // .n_targets)},
            {type: (if .classes then "softmax_cross_entropy" else "mse" end)}],
            data: {type: "raw", path: $file}, batch: 10,
            optimizer: {lr: 0.1}}' "$file" >job.json
        expect 0 train job.json -n 1 -q -r "run$n"
        json_true "run$n/summary.json" '.samples == 20'
    done
    [ "$n" -eq 2 ]
    # every key of the header is told
    perl -ne 'print if /^=head2 raw/ .. /^=head2 blobs/' "$page" >section
    for file in shape type classes n_targets train test x labels targets; do
        grep -q "C<$file>" section
    done
}

@test "errors look as the page shows them" {
    requires command -v jq
    jq '.layers[0].kernel = 50' "$models/lenet5-digits.json" >net.json
    expect 3 inspect net.json
    stderr_has 'layers[0].kernel: kernel 50x50 larger than input 28x28'
    [[ $stderr =~ net\.json:[0-9]+:[0-9]+: ]]
    jq '.layers[0].filter = 2' "$models/lenet5-digits.json" >net.json
    expect 3 inspect net.json
    stderr_has 'layers[0].filter: unknown key, did you mean "filters"?'
    expect 3 train --dry-run "$models/lenet5-digits.json" \
        --set 'layers[3].kernel=30'
    stderr_has "--set layers[3].kernel=30: layers[3].kernel: kernel 30x30"
    printf '{"batch": 1, "batch": 2}' >net.json
    expect 3 inspect net.json
    stderr_has 'net.json:1:'
    jq '.augment.flop = true' "$models/lenet5-mnist.json" >net.json
    expect 3 inspect net.json
    stderr_has 'augment.flop: unknown key'
    cp "$models/lenet5-mnist.json" .
    expect 3 train lenet5-mnist.json
    stderr_has 'data.path: no "mnist/train-images-idx3-ubyte" in '
    stderr_has '(see --data-dir)'
}

# --- what the page says about numbers --------------------------------------

# The learning rates of the updates of a run, one a line.
rates() { jq -r 'select(.event == "commit") | .lr' "$1/events.jsonl"; }

@test "a schedule follows the samples at the end of each update" {
    # 24 updates of 20 samples in an epoch
    blobs_job j.json '.schedule = {"type": "step", "milestones": [1, 3],
        "warmup": 0.5} | .workers = 1 | .optimizer.lr = 1'
    expect 0 train j.json -r run -q
    rates run | awk '{
        e = NR / 24
        want = (e < 0.5 ? e / 0.5 : 1) * (e > 3 ? 0.01 : e > 1 ? 0.1 : 1)
        if ($1 < want - 1e-9 || $1 > want + 1e-9) exit 1
    } END { exit NR != 96 }'
    blobs_job j.json '.schedule = {"type": "cosine", "min_factor": 0.2,
        "warmup": 1} | .workers = 2 | .optimizer.lr = 1'
    expect 0 train j.json -r run2 -q
    rates run2 | awk '{
        e = NR / 12
        t = (e - 1) / 3
        want = e < 1 ? e : 0.2 + 0.8 * (1 + cos(3.14159265358979 * t)) / 2
        if ($1 < want - 1e-9 || $1 > want + 1e-9) exit 1
    } END { exit NR != 48 }'
}

@test "lr_scaling counts the pushes of an update" {
    local how
    for how in none linear sqrt; do
        blobs_job j.json ".lr_scaling = \"$how\" | .workers = 4 | .epochs = 1 |
            .optimizer.lr = 1"
        expect 0 train j.json -r "$how" -q
    done
    [ "$(rates none | sort -u)" = 1 ]
    [ "$(rates linear | sort -u)" = 4 ]
    [ "$(rates sqrt | sort -u)" = 2 ]
    # a sum counts as one
    blobs_job j.json '.lr_scaling = "linear" | .epochs = 1 | .optimizer.lr = 1'
    expect 0 train j.json -r sum -q -n 4 -p elasticbsp:between=accumulate
    [ "$(rates sum | sort -u)" = 1 ]
}

@test "progress counts samples, or each update as a round of all workers" {
    local how
    for how in samples updates; do
        blobs_job j.json ".progress = \"$how\" | .epochs = 2 | .workers = 2 |
            .optimizer.lr = 1 | .schedule = {\"type\": \"step\",
            \"milestones\": [1]}"
        expect 0 train j.json -r "$how" -q -p asp
    done
    # 24 mini-batches an epoch, each an update
    [ "$(rates samples | grep -cx 1)" = 24 ]
    [ "$(rates updates | grep -cx 1)" = 12 ]
    # where each of them waits for all, there is no difference
    expect 0 train j.json -r bsp -q -p bsp
    [ "$(rates bsp | grep -cx 1)" = 12 ]
    [ "$(rates bsp | wc -l)" = 24 ]
}

# --- jobs that come with ebsp ----------------------------------------------

# schema_accepts FILE..., schema_refuses FILE...: all of them.
schema_accepts() { ask_schema accept "$@"; }
schema_refuses() { ask_schema refuse "$@"; }
ask_schema() {
    requires python3 -c 'import jsonschema'
    python3 - "$schema" "$@" <<'EOF_PYTHON'
import json, sys
from jsonschema import Draft202012Validator as Validator
def load(name):
    with open(name, encoding="utf-8") as file:
        return json.load(file)
schema, want, *names = load(sys.argv[1]), *sys.argv[2:]
Validator.check_schema(schema)
for name in names:
    errors = [e.message for e in Validator(schema).iter_errors(load(name))]
    if bool(errors) == (want == "accept"):
        sys.exit(f"{name}: " + (errors[0] if errors else "accepted"))
EOF_PYTHON
}

jobs() { find "$models" -name '*.json' ! -name '*.schema.json' | sort; }

@test "the jobs that come with ebsp are jobs" {
    local file
    [ "$(jobs | wc -l)" -ge 10 ]
    for file in $(jobs); do
        expect 0 inspect "$file"
        [ "$(json "$file" .name)" = "$(basename "$file" .json)" ]
        [ -e "$models/$(json "$file" '.["$schema"]')" ]
    done
}

@test "the schema accepts them, examples and the job of a run" {
    mapfile -t files < <(jobs)
    blobs_job j.json
    expect 0 train j.json -r run -q
    examples
    schema_accepts "${files[@]}" run/job.json example-01.json
}

@test "the schema refuses what the program refuses" {
    local change n=0
    for change in '.layers[0].untis = 3' '.layers[0].units = 0' \
        '.epochs = "many"' 'del(.batch)' '.layers[0].type = "dens"' \
        '.optimizer.beta1 = 0.9' '.schedule = {"type": "step"}' \
        '.data.path = "x"' '.layers[0].name = "input"'; do
        blobs_job "bad$((++n)).json" "$change"
        expect 3 inspect "bad$n.json"
    done
    schema_refuses bad*.json
}

@test "each of them has a line in models/README.md, and no other" {
    diff <(jobs | sed 's|.*/||; s|\.json$||') \
        <(grep -oE '^\| *\[?`?[a-z0-9-]+' "$models/README.md" |
            tr -d '|[` ' | grep -E -- '-[a-z]+[0-9]*$|^vgg16$' | sort)
}

@test "models/README.md tells their sizes" {
    local name told
    for name in $(jobs | sed 's|.*/||; s|\.json$||'); do
        expect 0 inspect "$models/$name.json"
        told=$(grep -E "^\\| *\`$name\`" "$models/README.md" | tr -d ,)
        # the same parameters, and FLOP as far as "4.6M" goes
        awk -F '|' -v said="${lines[-1]}" '{
            split(said, w, / +/)
            flop = w[length(w) - 4] * (w[length(w) - 4] ~ /G$/ ? 1000 : 1)
            exit !(w[3] == $4 + 0 && flop > $5 * 0.95 && flop < $5 * 1.05)
        }' <<<"$told" || { echo "$told: ${lines[-1]}" && return 1; }
    done
}

@test "the deep networks are what make-deep writes" {
    requires python3 --version
    python3 "$models/make-deep" --check
}
