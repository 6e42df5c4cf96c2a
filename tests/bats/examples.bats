#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Every example in the README and the manual runs.  What would take long gets
# less data and one epoch; the command lines are those that people read.
# shellcheck disable=SC2016 # backquotes of Markdown
load ebsp
load jobs

setup() {
    ebsp_setup
    ln -s "$EBSP_SRCDIR/models" models
    ln -s "$EBSP_SRCDIR/scenarios" scenarios
    [ ! -e "$EBSP_SHARED/data" ] || ln -s "$EBSP_SHARED/data" data
    mkdir bin
    cat >bin/ebsp <<'END'
#!/usr/bin/env bash
# The program, with less to do.
less=(--epochs 1 --set data.limit_train=512 --set data.limit_test=128)
case " $* " in
*" --resume "*) less=(--pace 0) ;;
" bench sync "*) less=(--rounds 3) ;;
" train "* | " bench "* | " simulate "*"--train "*) ;;
" policy check "*) less=(--schedules 50) ;;
*) less=() ;;
esac
exec "$EBSP" "$@" "${less[@]}"
END
    cat >bin/pkg-config <<'END'
#!/usr/bin/env bash
# As after `make install`, of which install.bats is the proof.
echo "-I$EBSP_SRCDIR/include"
END
    chmod +x bin/ebsp bin/pkg-config
    PATH=$PWD/bin:$PATH
}

# examples PAGE: the verbatim paragraphs below EXAMPLES into NN.sh and, where a
# prompt tells commands from their output, NN.out.
examples() {
    perl -00 -ne '
        $on = /^=head1 EXAMPLES/ if /^=head1/;
        next unless $on && /^ /;
        s/^ {4}//mg;
        $name = sprintf "%02d", ++$n;
        open $sh, ">", "$name.sh" or die;
        if (/^\$ /) {
            open $out, ">", "$name.out" or die;
            /^\$ (.*)/ ? print $sh "$1\n" : print $out "$_\n"
                for grep { length } split /\n/;
        } else {
            print $sh $_;
        }' "$EBSP_SRCDIR/man/$1"
}

# page_runs PAGE: all its examples, one after the other in one folder.
page_runs() {
    local script n=0
    examples "$1"
    for script in [0-9][0-9].sh; do
        n=$((n + 1))
        if grep -q 'data-dir ~' "$script" && [ ! -e data ]; then
            echo "# $1: no data beside the source for: $(cat "$script")" >&3
            continue
        fi
        run --separate-stderr bash -euo pipefail "$script"
        [ "$status" -eq 0 ] || {
            cat "$script"
            echo "exit status $status: $stderr"
            return 1
        }
        [ ! -e "${script%.sh}.out" ] ||
            diff "${script%.sh}.out" <(echo "$output")
    done
    [ "$n" -gt 0 ]
}

@test "the examples of ebsp(1) run" { page_runs ebsp.1.pod; }
@test "the examples of ebsp-check(1) run" { page_runs ebsp-check.1.pod; }
@test "the examples of ebsp-advise(1) run" { page_runs ebsp-advise.1.pod; }
@test "the example of ebsp-bench(1) runs" { page_runs ebsp-bench.1.pod; }
@test "the examples of ebsp-report(1) run" { page_runs ebsp-report.1.pod; }
@test "the example of ebsp-trace(1) runs" { page_runs ebsp-trace.1.pod; }
@test "the examples of ebsp-train(1) run" { page_runs ebsp-train.1.pod; }
# A run that lasts until it is stopped, and ends soon when it is resumed.
run_to_ask() {
    blobs_job j.json '.epochs = 500 | .eval_every = 0'
    bg log "$EBSP" train j.json -r run -q --pace 20
    wait_for run/events.jsonl '"event":"push"'
}
@test "the examples of ebsp-ctl(1) run" { run_to_ask; page_runs ebsp-ctl.1.pod; }
run_to_watch() { blobs_job j.json && "$EBSP" train j.json -q -r run; }
@test "the examples of ebsp-top(1) run" { run_to_watch; page_runs ebsp-top.1.pod; }
job_to_disturb() { blobs_job j.json '.checkpoint_every = 1'; }
@test "the examples of ebsp-chaos(1) run" { job_to_disturb; page_runs ebsp-chaos.1.pod; }
@test "the examples of ebsp-eval(1) run" { page_runs ebsp-eval.1.pod; }
@test "the examples of ebsp-inspect(1) run" { page_runs ebsp-inspect.1.pod; }
@test "the examples of ebsp-simulate(1) run" { page_runs ebsp-simulate.1.pod; }
@test "the examples of ebsp-replay(1) run" { page_runs ebsp-replay.1.pod; }
@test "the examples of ebsp-policy(1) run" { page_runs ebsp-policy.1.pod; }
@test "the example of ebsp-worker(1) runs" { page_runs ebsp-worker.1.pod; }
@test "the examples of ebsp-zipline(1) run" { page_runs ebsp-zipline.1.pod; }

@test "every page of a command has examples, and a test here" {
    local page
    for page in "$EBSP_SRCDIR"/man/*.1.pod; do
        grep -q '^=head1 EXAMPLES' "$page"
        grep -q "page_runs ${page##*/};" "$BATS_TEST_FILENAME"
    done
}

# --- README ----------------------------------------------------------------

readme=$EBSP_SRCDIR/README.md

@test "the commands of the README run" {
    local n=0
    sed -n 's/^\$ \(ebsp .*\)/\1/p' "$readme" >commands
    while IFS= read -r command; do
        n=$((n + 1))
        run --separate-stderr bash -euo pipefail -c "$command" </dev/null
        [ "$status" -eq 0 ] || { echo "$command: $stderr" && return 1; }
    done <commands
    [ "$n" -ge 2 ]
}

@test "what the README shows of their output has the words of the program" {
    # The pace, as what bsp would have cost is told only where computing, and
    # not other load, explains how long a run took.
    ebsp train models/lenet5-digits.json -p elasticbsp -n 4 --epochs 1 \
        --set data.train=1024 --set data.test=128 --set eval_every=0.5 \
        --pace 1000 -r run >out 2>err
    # numbers, names and what may come at any time
    local forms='s/[0-9][0-9.]*[kM]*/N/g; s|^\(run directory\) .*|\1 RUN|
        s/  \(ETA\|superstep\|plan\) .*//; /^\.*$/d'
    sed -n '/^\$ ebsp train/,/^$/p' "$readme" | sed "1d; $forms" |
        sort -u >shown
    sed "$forms" out err | sort -u >said
    [ -s shown ]
    # every line that is shown is one that is said
    [ -z "$(comm -23 shown said)" ] || { comm -23 shown said && return 1; }
}

@test "the README tells the subcommands and options that there are" {
    sed -n '/^| command/,/^$/p' "$readme" | grep -oE '^\| `ebsp [a-z]+' |
        awk '{ print $3 }' | sort >told
    "$EBSP" help | sed -n 's/^  \([a-z]*\) .*/\1/p' | grep -vx help |
        sort | diff told -
    local row sub option
    while IFS= read -r row; do
        sub=$(grep -oE 'ebsp [a-z]+' <<<"$row" | head -n 1)
        while IFS= read -r option; do
            "$EBSP" "${sub#ebsp }" --help | grep -q -e "$option\b" || {
                echo "$sub has no $option" && return 1
            }
        done < <(grep -oE -- '--[a-z-]+' <<<"$row" || true)
    done < <(grep -E '^\| `ebsp ' "$readme")
}

@test "the policies of the README are there, with these options" {
    local spec n=0
    for spec in $(sed -n '/^Policies:/,/^$/p' "$readme" |
        grep -oE '`[a-z]+(:[a-z=0-9,]+)?`' | tr -d '`'); do
        expect 0 policy show "$spec"
        n=$((n + 1))
    done
    [ "$n" -ge 7 ]
}

@test "the README installs what quickstart installs" {
    sed -n '/^sudo apt-get install/,/[^\\]$/p' "$readme" | tr '\134' ' ' |
        tr ' ' '\n' | grep -E '^[a-z].*' |
        grep -vxE 'sudo|apt-get|install' | sort >told
    sed -n "/^to_build='/,/^'/p" "$EBSP_SRCDIR/quickstart" |
        awk 'NF > 1 { print $1 }' | sort | diff told -
    for word in train check; do
        "$EBSP_SRCDIR/quickstart" help | grep -q "quickstart $word"
    done
}

@test "the README names every page and nothing that is not there" {
    local target
    sed -n '/^## Manual/,/^## /p' "$readme" | grep -oE '`ebsp[a-z-]*`\([0-9]\)' |
        tr -d '`' | sort >told
    (cd "$EBSP_SRCDIR/man" && printf '%s\n' *.pod) |
        sed '/^ebsp-policy-/d; s/\.\([0-9]\)\.pod$/(\1)/' | sort | diff told -
    while IFS= read -r target; do
        [ -e "$EBSP_SRCDIR/$target" ] || { echo "no $target" && return 1; }
    done < <(grep -oE '\]\([^):]+\)' "$readme" | tr -d ']()')
}

@test "files that HACKING.md and README.md name exist" {
    local word n=0
    while IFS= read -r word; do
        n=$((n + 1))
        # a source, or what is built
        compgen -G "$EBSP_SRCDIR/$word" || compgen -G "$EBSP_SRCDIR/src/$word" ||
            compgen -G "$EBSP_SRCDIR/$word.c" ||
            compgen -G "$EBSP_BUILDDIR/$word" || {
            echo "no $word" && return 1
        }
    done < <(cat "$EBSP_SRCDIR/HACKING.md" "$readme" |
        grep -oE '\b[a-z]+/[A-Za-z0-9_./-]+(\[ch\])?' | grep -v '[A-Z]' |
        grep -E "^(src|$(cd "$EBSP_SRCDIR/src" && echo */ | sed 's|/ *|\||g')\
plugins|include|models|tests|man)/" | sed 's/[.]$//' | sort -u)
    [ "$n" -gt 20 ]
}
