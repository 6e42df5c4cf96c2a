#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=heavy
# Pages and timelines of runs, the pages also as a browser shows them.
load ebsp
load jobs

# train RUN POLICY: a run of 2 workers.
train() {
    [ -e job.json ] || blobs_job job.json
    "$EBSP" train job.json -q -p "$2" -r "$1"
}

# browse ARG...: headless chromium; it touches no network and nobody's profile.
browse() {
    timeout $((60 * ${EBSP_TEST_PATIENCE:-1})) chromium --headless --no-sandbox \
        --disable-gpu --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-quic \
        --hide-scrollbars --window-size=1280,3000 \
        --user-data-dir="$PWD/profile" --enable-logging=stderr \
        "$@" 2>>browser.log
}

# inspect PAGE: what a script in a page around it finds in PAGE; PAGE itself
# may not run any.
inspect() {
    cat >around.html <<END
<!DOCTYPE html><iframe id="f" src="$1" width="1280" height="3000"></iframe>
<pre id="found"></pre>
<script>
document.getElementById("f").onload = (e) => {
    const d = e.target.contentDocument;
    const all = (s) => [...d.querySelectorAll(s)];
    const ids = all("[id]").map((v) => v.id);
    document.getElementById("found").textContent = "FOUND" + JSON.stringify({
        figures: all("figure").length,
        plots: all("svg.plot").filter((v) => {
            const r = v.getBoundingClientRect();
            const i = v.querySelector("g").getBoundingClientRect();
            return r.width > 100 && r.height > 50 && i.width > 100;
        }).length,
        tables: all("details table").filter((v) => v.rows.length > 1).length,
        named: all("svg.plot").filter((v) =>
            v.getAttribute("aria-labelledby").split(" ").every(
                (n) => d.getElementById(n).textContent.length > 5)).length,
        repeated: ids.filter((v, i) => ids.indexOf(v) !== i),
        wide: d.documentElement.scrollWidth,
    });
};
</script>
END
    browse --allow-file-access-from-files --dump-dom "file://$PWD/around.html" |
        sed -n 's/.*FOUND\({.*}\).*/\1/p' >found.json
}

@test "a page of two runs in a browser" {
    requires command -v gnuplot
    requires command -v chromium
    train plain bsp
    train elastic elasticbsp:lookahead=4
    expect 0 report plain elastic -o page.html
    [ "$output" = page.html ]
    [ -z "$stderr" ]

    inspect page.html
    # learning 4, time of each run, waiting, supersteps, staleness, timelines
    json_true found.json '.plots == 11 and .tables == 11 and .named == 11
        and .figures == 13 and .repeated == [] and .wide <= 1280'

    browse --blink-settings=preferredColorScheme=1 \
        --screenshot="$PWD/light.png" "file://$PWD/page.html"
    browse --blink-settings=preferredColorScheme=0 \
        --screenshot="$PWD/dark.png" "file://$PWD/page.html"
    # Nothing but paper would be some kilobytes.
    [ "$(stat -c %s light.png)" -gt 60000 ]
    [ "$(stat -c %s dark.png)" -gt 60000 ]
    run ! cmp -s light.png dark.png

    if grep CONSOLE browser.log; then
        echo "the browser complains"
        return 1
    fi
}

# figure TITLE: that figure of page.html.
figure() {
    TITLE=$1 perl -0777 -ne '
        for (m{<figure.*?</figure>}gs) { print if /\Q$ENV{TITLE}\E/ }' page.html
}

@test "a run of one superstep shows it" {
    requires command -v gnuplot
    blobs_job job.json '.epochs = 1 | .data.train = 40'
    train run bsp
    expect 0 report run -o page.html
    figure 'Length of the supersteps' >figure.html
    grep -q '<circle ' figure.html
}

@test "a run that was killed: page, summary, data, timeline" {
    train run elasticbsp:lookahead=4
    rm run/summary.json
    printf '{"t":9,"event":"pu' >>run/events.jsonl

    expect 0 report run --csv data
    [ "${lines[-1]}" = run/report.html ]
    grep -q '</html>' run/report.html
    expect 0 report run --text
    stdout_has unfinished
    [ "$(wc -l <data/pushes.csv)" -eq $((1 + $(grep -c '"push"' \
        run/events.jsonl))) ]

    expect 0 trace run
    # From each push an arrow to the update that applied it.
    [ "$(json run/trace.json '([.traceEvents[] | select(.ph == "s").id] | sort)
        == ([.traceEvents[] | select(.ph == "f").id] | sort)')" = true ]
    expect 0 trace run -o -
    diff <(printf '%s\n' "$output") run/trace.json
}

@test "a timeline shows transfer beside computing" {
    blobs_job job.json '.layers[0].units = 40000 | .epochs = 1 |
        .data.train = 200'
    "$EBSP" train job.json -q --transport tcp -r run
    expect 0 trace run
    # A span of a network during which its worker computes; none overlaps
    # another one of its track.
    # shellcheck disable=SC2016 # $spans and the like are of jq
    json_true run/trace.json '
        [.traceEvents[] | select(.ph == "X") | .end = .ts + .dur] as $spans |
        [.traceEvents[] | select(.name == "thread_name")] as $tracks |
        def track($n): $tracks[] | select(.args.name | test($n)).tid;
        [$spans[] | select(.tid == track("^worker 0 network$"))] as $moves |
        [$spans[] | select(.tid == track("^worker 0 \\(") and
            .name == "compute")] as $computes |
        ($moves == [] or any($moves[]; . as $m | any($computes[];
            .ts < $m.end and $m.ts < .end))) and
        ([$moves | sort_by(.ts) | .[:-1], .[1:]] | transpose |
            all(.[0].end <= .[1].ts + 0.0005))'
    # How much could be hidden is up to the machine; all of it is told.
    expect 0 report run --text
    if json_true run/summary.json 'any(.per_worker[].seconds;
            .push_hidden > 0.001 or .pull_hidden > 0.001)'; then
        stdout_has 'transfer hidden behind computing: '
        json_true run/trace.json 'any(.traceEvents[];
            .name == "thread_name" and (.args.name | test("network$")))'
    fi
}

@test "an output that is no regular file is written to and stays what it is" {
    train run bsp
    ln -s real.json link.json
    touch real.json
    expect 0 trace run -o link.json
    [ -L link.json ]
    json_true real.json '.traceEvents | length > 10'
    mkfifo pipe
    bg got cat pipe
    expect 0 trace run -o pipe
    finish $!
    [ -p pipe ]
    cmp got real.json
}

@test "without gnuplot the page has tables, and the summary is printed" {
    train run bsp
    mkdir bin
    run --separate-stderr -- env PATH="$PWD/bin" "$EBSP" report run
    [ "$status" -eq 0 ]
    stderr_has 'warning: gnuplot is not in PATH'
    stdout_has 'samples/s'
    grep -q '<details open>' run/report.html
    # Nothing but the page where it goes to standard output.
    run --separate-stderr -- env PATH="$PWD/bin" "$EBSP" report run -o -
    [ "$status" -eq 0 ]
    stderr_has 'warning: gnuplot is not in PATH'
    [ "${lines[0]}" = '<!DOCTYPE html>' ]
    [ "${lines[-1]}" = '</html>' ]
}

@test "what is no run is refused, and nothing is left of the page" {
    expect 3 report nowhere
    stderr_has 'no such run directory'
    expect 2 report
    mkdir run
    echo '{}' >run/job.json
    echo nonsense >run/events.jsonl
    expect 3 report run
    stderr_has 'run/events.jsonl:1'
    expect 3 trace run
    stderr_has 'run/events.jsonl:1'
    [ "$(ls run)" = "$(printf 'events.jsonl\njob.json')" ]
}
