#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What ebsp computes and writes, held against PyTorch where it is installed
# (Debian: python3-torch).  What needs no PyTorch is in
# tests/unit/test_reference.c.
load ebsp

setup() {
    ebsp_setup
    torch=$EBSP_SRCDIR/tests/torch
    python=/usr/bin/python3
    requires "$python" -c 'import torch, numpy'
    # No compiled Python beside the sources, and one of two cores each.
    export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
}

# bats test_tags=heavy
@test "the reference of the unit test is what PyTorch computes" {
    "$python" "$torch/make_reference.py" --check
}

@test "gradients agree with PyTorch element by element" {
    local models=$EBSP_SRCDIR/models
    run -0 "$python" "$torch/compare.py" step \
        "$EBSP_BUILDDIR/tests/torch/dump_step" \
        "$models"/{mlp-mnist,lenet5-mnist,alexnet-cifar10}.json \
        "$models"/{alexnet-large-cifar10,resnet20-cifar10}.json
    [ "${#lines[@]}" -eq 5 ]
}

# A short training of ResNet-20, once for all tests: run/, data/ and the model
# in $model.
trained_resnet() {
    cd "$BATS_FILE_TMPDIR" || return
    if [ ! -e trained ]; then
        mkdir -p data
        "$python" "$torch/compare.py" data data
        expect 0 train "$EBSP_SRCDIR/models/resnet20-cifar10.json" -q -r run \
            -n 1 --epochs 3 --data-dir "$PWD" --set optimizer.lr=0.02 \
            --set 'data={"type":"raw","path":"data/data.json"}' \
            --set 'augment={}'
        touch trained
    fi
    model=$(json run/summary.json .checkpoint)/model.safetensors
}

# bats test_tags=heavy
@test "PyTorch loads a trained model and evaluates it alike" {
    trained_resnet
    "$python" "$torch/compare.py" model "$model" data run/summary.json
    # of ten classes, so that the comparison says something
    json_true run/summary.json '.test_accuracy > 0.2'
}

# bats test_tags=heavy
@test "a trained model fits modules with other names" {
    local nets=$EBSP_SHARED/bench/nets.py
    [ -e "$nets" ] || skip "no $nets"
    trained_resnet
    "$python" "$torch/compare.py" nets "$nets" "$model"
}
