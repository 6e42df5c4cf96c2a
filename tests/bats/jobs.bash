# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Small jobs for end-to-end tests: seconds, not minutes.

# blobs_job FILE [JQ-FILTER]: three gaussian clusters and a small MLP.
blobs_job() {
    cat >"$1.base" <<'EOF'
{
  "name": "blobs",
  "input": [8],
  "layers": [
    {"type": "dense", "name": "fc1", "units": 16},
    {"type": "relu", "name": "relu1"},
    {"type": "dense", "name": "fc2", "units": 3},
    {"type": "softmax_cross_entropy", "name": "loss"}
  ],
  "data": {"type": "blobs", "classes": 3, "features": 8, "train": 480, "test": 120},
  "batch": 20,
  "epochs": 4,
  "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9},
  "workers": 2,
  "policy": "bsp"
}
EOF
    requires command -v jq
    jq "${2:-.}" "$1.base" >"$1"
    rm "$1.base"
}

# hash_of RUN: checksum of the parameters that a run reached.
hash_of() { json "$1/summary.json" .params_hash; }
