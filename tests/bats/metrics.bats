#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a run shows while it is at work, to programs: metrics, TensorBoard.
load ebsp
load jobs

# samples_reach N: the metrics tell so many samples, or more.
samples_reach() {
    curl -sf --max-time 10 "$url" >text &&
        (($(sed -n 's/^ebsp_samples_total //p' text) >= $1))
}

# is_served NAME: the metric has a value.
is_served() { curl -s --max-time 10 "$url" | grep -q "^$1 "; }

# bats test_tags=heavy
@test "a run at work serves its metrics, and they are those of the page" {
    requires command -v curl
    blobs_job j.json '.epochs = 1000000 | .eval_every = 10 | .workers = 3'
    bg log ebsp train j.json -r run -p elasticbsp --pace 5 --slow 0:3 \
        --metrics-port 0 --tensorboard
    wait_for log '^metrics: '
    url=$(sed -n 's/^metrics: //p' log)
    [[ $url =~ ^http://127\.0\.0\.1:[0-9]+/metrics$ ]]
    wait_for log '^evaluated'
    wait_for run/events.jsonl '"name":"superstep"'
    within 30 samples_reach 5000
    # What was evaluated may be read a moment later.
    within 30 is_served ebsp_test_accuracy
    curl -s --max-time 10 -o answer -w '%{http_code} %{content_type}' \
        "$url" >code
    [ "$(cat code)" = "200 text/plain; version=0.0.4; charset=utf-8" ]
    diff <(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' answer | sort) <(perl -ne '
        $on = /METRICS/ if /^=head1/;
        next unless $on;
        print "$1\n" while /C<(ebsp_\w+)/g' \
        "$EBSP_SRCDIR/man/ebsp-train.1.pod" | sort -u)
    grep -qx 'ebsp_workers 3' answer
    [ "$(grep -c '^ebsp_worker_wait_seconds_total{rank="[012]"} ' answer)" -eq 3 ]
    [ "$(curl -s -o other -w '%{http_code}' "${url%/*}/")" -eq 404 ]

    expect 0 ctl run stop --wait
    finish "${pids[0]}"
    run ! curl -s --max-time 10 "$url"
    # the test program of the bytes is tests/unit/test_view.c
    grep -qa 'test/accuracy' run/tensorboard/events.out.tfevents.*
    grep -qa 'workers/waiting/2' run/tensorboard/events.out.tfevents.*
}

@test "the name of a run is a label as it is, escaped as the format says" {
    requires command -v curl
    blobs_job j.json '.epochs = 1000000 | .eval_every = 0 |
        .name = "na\"me\n\\ \u00fc"'
    bg log ebsp train j.json -r run --pace 5 --metrics-port 0
    wait_for log '^metrics: '
    url=$(sed -n 's/^metrics: //p' log)
    within 30 is_served ebsp_epoch
    curl -s --max-time 10 "$url" >answer
    grep -qF 'ebsp_run_info{name="na\"me\n\\ ü",policy="bsp' answer
    expect 0 ctl run stop --wait
    finish "${pids[0]}"
}

@test "where metrics cannot be served nothing is started" {
    blobs_job j.json
    expect 2 train j.json -r run --metrics-address ::
    stderr_has "--metrics-address needs --metrics-port"
    expect 2 train j.json -r run --metrics-port 65536
    stderr_has 'expected 0 to 65535, got "65536"'
    expect 2 train j.json -r run --metrics-port 0 --metrics-address node-a
    stderr_has 'metrics: address "node-a": expected a numeric one'
    expect 5 train j.json -r run --metrics-port 0 --metrics-address 192.0.2.1
    stderr_has "metrics: 192.0.2.1:0: cannot listen"
    [ ! -e run ]
}

@test "metrics for everybody are warned about" {
    blobs_job j.json '.epochs = 1'
    expect 0 train j.json -q -r run --metrics-port 0 --metrics-address 0.0.0.0
    stderr_has "everybody who reaches http://0.0.0.0:"
    [[ $stderr != *"metrics: http"* ]]
    # With -q its address is in the log alone.
    grep -q 'metrics.*http://0\.0\.0\.0:[1-9][0-9]*/metrics$' run/log
}
