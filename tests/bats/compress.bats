#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Compressed pushes, from a job to a replay.
load ebsp
load jobs

# bats test_tags=heavy
@test "a compressed push has the same bits however it travels" {
    local codec plain
    blobs_job j.json '.epochs = 2 | .layers[1:1] = [{"type": "batchnorm"}]'
    expect 0 train j.json -r plain -q --transport tcp
    plain=$(json plain/summary.json .bytes_pushed)
    for codec in fp16 topk:0.1 randomk:0.1 sign; do
        rm -rf shared sent
        expect 0 train j.json -r shared -q --set "compress=$codec"
        expect 0 train j.json -r sent -q --set "compress=$codec" --transport tcp
        [ "$(hash_of shared)" = "$(hash_of sent)" ]
        [ "$(hash_of shared)" != "$(hash_of plain)" ]
        [ "$(json sent/summary.json .bytes_pushed)" -lt "$plain" ]
        expect 0 replay sent --json
        echo "$output" >o.json
        json_true o.json '.identical == true and .actions > 40'
        [ "$(json o.json .params_hash)" = "$(hash_of sent)" ]
    done
}

@test "the plan tells what a compressed push is" {
    blobs_job j.json '.compress = "sign"'
    expect 0 train j.json --dry-run
    # 4 tensors: a scale each, and 128 + 16 + 48 + 3 bits; whole words
    stdout_has 'traffic     44 B push + '
}

# bats test_tags=heavy
@test "changes by local steps are compressed, too" {
    blobs_job j.json '.compress = "topk:0.1"'
    expect 0 train j.json -r run -q -n 3 --pace 2 --slow 0:3 --transport tcp \
        -p elasticbsp:between=local
    expect 0 replay run --json
    echo "$output" >o.json
    json_true o.json '.identical == true'
    [ "$(json o.json .params_hash)" = "$(hash_of run)" ]
}

@test "who does not compress as the job says is lost" {
    load ../tools/rogue
    blobs_job job.json '.compress = "fp16"'
    goes_on asp time
    lost 1 'push of 832 bytes, expected 392'
    blobs_job job.json '.compress = "topk:1"'
    goes_on asp time
    lost 1 'PUSH: compressed numbers from .* on are damaged'
}
