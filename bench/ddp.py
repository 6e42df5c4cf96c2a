#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bulk-synchronous training against PyTorch's DistributedDataParallel (gloo).

  bench/ddp.py [options]          in a build folder, after `make`

Workers of one thread each on this machine, the same networks and mini-batches;
both sides run in turn (A B A B ...).  ebsp also runs with one worker, for the
scaling, and both run as many processes that do not communicate: how much less
is done with communication is the loss.  The opponent is a folder with ddp.py
and nets.py, as for step.py.

  --quick            2 rounds of 2 seconds, resnet20 and mlp
  --cases NET:N,...  default resnet20:2,alexl:2,mlp:4,lenet:4
  --rounds N         default 5
  --seconds S        of each measurement, default 6; three times that for alexl
  --ebsp PROGRAM     default ./ebsp
  --step PROGRAM     default ./bench/step (`make bench/step`)
  --opponent DIR     default EBSP_TORCH_BENCH; without one only ours is measured
  --json FILE        the same figures, and every single one, as JSON
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from step import (BATCH, JOBS, PYTHON, execute,  # noqa: E402
                  opponent_at, positive)

WARM_UP = 3  # updates
# Times --seconds, where a step takes a second.
LONGER = {"alexl": 3, "resnet56": 2}

TUNED = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu/openblas-openmp",
}


def options():
    p = argparse.ArgumentParser(
        description=__doc__, usage=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--cases", default="")
    p.add_argument("--rounds", type=positive(int), default=0)
    p.add_argument("--seconds", type=positive(float), default=0)
    p.add_argument("--ebsp", default="./ebsp")
    p.add_argument("--step", default="./bench/step")
    p.add_argument("--opponent", default=os.environ.get("EBSP_TORCH_BENCH"))
    p.add_argument("--json")
    o = p.parse_args()
    o.rounds = o.rounds or (2 if o.quick else 5)
    o.seconds = o.seconds or (2 if o.quick else 6)
    default = ("resnet20:2,mlp:4" if o.quick
               else "resnet20:2,alexl:2,mlp:4,lenet:4")
    opponent_at(p, o.opponent, "ddp.py")
    wanted, o.cases = o.cases or default, []
    for case in wanted.split(","):
        net, _, n = case.partition(":")
        if net not in BATCH or not n.isdigit() or int(n) < 1:
            p.error(f'"{case}": expected NET:WORKERS with a network of '
                    f'{" ".join(BATCH)}')
        o.cases.append((net, int(n)))
    return o


def seconds(o, net):
    return o.seconds * LONGER.get(net, 1)


def rate_of(events):
    """Samples a second from update to update: neither the start counts nor what
    is computed when the time is over."""
    with open(events) as f:
        commits = [e for e in map(json.loads, f) if e["event"] == "commit"]
    counted = commits[WARM_UP:]
    if len(counted) < 3:
        return None
    return (sum(e["samples"] for e in counted[1:]) /
            (counted[-1]["t"] - counted[0]["t"]))


def run_ours(o, net, workers):
    folder = tempfile.mkdtemp(prefix="ebsp-ddp-")
    try:
        execute([o.ebsp, "train", os.path.join(JOBS, net + ".json"),
                 "-n", str(workers), "-p", "bsp", "--threads", "1", "-q",
                 "--set", f"batch={BATCH[net]}", "--set", "eval_every=0",
                 "--epochs", "100000", "--max-seconds",
                 str(seconds(o, net)),
                 "-r", folder + "/run"], dict(os.environ))
        return rate_of(folder + "/run/events.jsonl") or sys.exit(
            f"ddp.py: {net}: too few updates in {seconds(o, net)} s; longer "
            "with --seconds")
    finally:
        shutil.rmtree(folder)


def run_silent(o, net, workers):
    """Bare steps, all those of each process over the time that they took."""
    command = [o.step, os.path.join(JOBS, net + ".json"), "--batch",
               str(BATCH[net]), "--seconds", str(seconds(o, net))]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        texts = pool.map(lambda _: execute(command, dict(os.environ))[0],
                         range(workers))
    found = [re.search(r"median of (\d+) in ([\d.]+) s", t) for t in texts]
    return sum(BATCH[net] * int(m[1]) / float(m[2]) for m in found)


def run_theirs(o, net, workers, mode):
    text, _ = execute([PYTHON, "ddp.py", net, str(workers),
                       "--mode", mode, "--batch", str(BATCH[net]), "--layout",
                       "cl", "--secs", str(seconds(o, net))],
                      {**os.environ, **TUNED}, o.opponent)
    return float(re.search(r"img/s=([\d.]+)", text)[1])


def compare(o, net, workers):
    kinds = {"ours": lambda: run_ours(o, net, workers),
             "ours_alone": lambda: run_ours(o, net, 1),
             "ours_silent": lambda: run_silent(o, net, workers)}
    if o.opponent:
        kinds["theirs"] = lambda: run_theirs(o, net, workers, "ddp")
        kinds["theirs_silent"] = lambda: run_theirs(o, net, workers, "none")
    row = {"net": net, "workers": workers, "batch": BATCH[net],
           **{k: [] for k in kinds}}
    for _ in range(o.rounds):
        for kind, run in kinds.items():
            row[kind].append(run())
    median = {k: statistics.median(row[k]) for k in kinds}
    cores = min(workers, len(os.sched_getaffinity(0)))
    row["scaling"] = round(median["ours"] / median["ours_alone"] / cores, 3)
    row["loss"] = round(1 - median["ours"] / median["ours_silent"], 3)
    if o.opponent:
        row["ratio"] = round(median["ours"] / median["theirs"], 3)
        row["their_loss"] = round(1 - median["theirs"] /
                                  median["theirs_silent"], 3)
    row.update({k + "_median": v for k, v in median.items()})
    return row


def main():
    o = options()
    rows = []
    print(f"samples/s, medians of {o.rounds} rounds of {o.seconds} s; scaling: "
          "against one worker, per processor; loss: to communication")
    print(f"{'network':10} {'workers':>7} {'ebsp':>9} {'DDP':>9} {'ratio':>6} "
          f"{'scaling':>7} {'loss':>6} {'their loss':>10}")
    nan = float("nan")
    for net, workers in o.cases:
        row = compare(o, net, workers)
        rows.append(row)
        print(f"{net:10} {workers:7} {row['ours_median']:9.1f} "
              f"{row.get('theirs_median', nan):9.1f} "
              f"{row.get('ratio', nan):6.2f} {row['scaling']:7.2f} "
              f"{row['loss']:6.2f} "
              f"{row.get('their_loss', nan):10.2f}", flush=True)
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"benchmark": "ddp", "rounds": o.rounds,
                       "seconds": o.seconds, "rows": rows}, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
