#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the coordinator can serve: samples/s and its processor time against the
number of workers.

  bench/growth.py [options]          in a build folder, after `make`

The workers do not compute (`ebsp train --echo`) and are paced, so that the
server and not the cores is measured: a worker that is never kept waiting does
one mini-batch of 32 samples every --pace milliseconds.

  --quick            at most 16 workers, one round
  --policies P,...   default bsp,asp
  --params N,...     parameters of the model; default 60000,1000000
  --pace MS          default 50
  --most N           workers; default 64
  --transport HOW    auto (default) or tcp
  --rounds N         default 5; medians
  --seconds S        of each, default 2
  --ebsp PROGRAM     default ./ebsp
  --json FILE        the same figures as JSON
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

BATCH = 32


def options():
    p = argparse.ArgumentParser(
        description=__doc__, usage=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--policies", default="bsp,asp")
    p.add_argument("--params", default="60000,1000000")
    p.add_argument("--pace", type=float, default=50)
    p.add_argument("--most", type=int, default=0)
    p.add_argument("--transport", default="auto")
    p.add_argument("--rounds", type=int, default=0)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--ebsp", default="./ebsp")
    p.add_argument("--json")
    o = p.parse_args()
    o.rounds = o.rounds or (1 if o.quick else 5)
    o.most = o.most or (16 if o.quick else 64)
    return o


def job(params):
    """One dense layer has nearly all of them."""
    features = 100
    return {"name": "growth", "input": [features],
            "layers": [{"type": "dense", "units": params // features},
                       {"type": "relu"}, {"type": "dense", "units": 2},
                       {"type": "softmax_cross_entropy"}],
            "data": {"type": "blobs", "classes": 2, "features": features,
                     "train": 3200, "test": 2},
            "batch": BATCH, "epochs": 100000, "eval_every": 0,
            "optimizer": {"type": "sgd", "lr": 0.001}}


def coordinator_seconds(pid):
    """Processor time of a live process, without its children."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(o, policy, params, n):
    folder = tempfile.mkdtemp(prefix="ebsp-growth-")
    try:
        with open(folder + "/job.json", "w") as f:
            json.dump(job(params), f)
        p = subprocess.Popen(
            [o.ebsp, "train", folder + "/job.json", "-n", str(n), "-p", policy,
             "--echo", "--pace", str(o.pace), "--transport", o.transport, "-q",
             "--max-seconds", str(o.seconds), "-r", folder + "/run"])
        used = 0.0
        while p.poll() is None:
            try:
                used = coordinator_seconds(p.pid)
                p.wait(0.05)
            except (OSError, subprocess.TimeoutExpired):
                pass
        if p.returncode != 0:
            sys.exit(f"growth.py: ebsp train: exit status {p.returncode}")
        with open(folder + "/run/summary.json") as f:
            rate = json.load(f)["samples_per_second"]
        return rate, used / o.seconds
    finally:
        shutil.rmtree(folder)


def main():
    o = options()
    rows = []
    print(f"pace {o.pace:g} ms, transport {o.transport}, medians of {o.rounds} "
          "rounds; ideal: nobody waits; processor: of the coordinator")
    print(f"{'policy':8} {'params':>8} {'workers':>7} {'samples/s':>10} "
          f"{'of ideal':>8} {'processor':>9}")
    for policy in o.policies.split(","):
        for params in map(int, o.params.split(",")):
            n = 1
            while n <= o.most:
                got = [run(o, policy, params, n) for _ in range(o.rounds)]
                rate = statistics.median(r for r, _ in got)
                used = statistics.median(u for _, u in got)
                share = rate / (n * BATCH * 1000 / o.pace)
                rows.append({"policy": policy, "params": params, "workers": n,
                             "samples_per_second": rate,
                             "share_of_ideal": share, "processor": used})
                print(f"{policy:8} {params:8} {n:7} {rate:10.0f} {share:8.2f} "
                      f"{used:9.2f}", flush=True)
                n *= 2
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"benchmark": "growth", "pace_ms": o.pace,
                       "transport": o.transport, "rounds": o.rounds,
                       "rows": rows}, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
