#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bulk-synchronous training against PyTorch's DistributedDataParallel (gloo).

  bench/ddp.py [options]          in a build folder, after `make`

Workers of one thread each on this machine, the same networks and mini-batches;
both sides run in turn (A B A B ...).  ebsp also runs with one worker, for the
scaling, and PyTorch without communication, which is its upper bound.  The
opponent is a folder with ddp.py and nets.py, as for step.py.

  --quick            2 rounds of 2 seconds, resnet20 and mlp
  --cases NET:N,...  default resnet20:2,alexl:2,mlp:4,lenet:4
  --rounds N         default 5
  --seconds S        of each measurement, default 6
  --ebsp PROGRAM     default ./ebsp
  --opponent DIR     default EBSP_TORCH_BENCH; without one only ours is measured
  --json FILE        the same figures, and every single one, as JSON
"""
import argparse
import json
import os
import re
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from step import BATCH, JOBS, PYTHON, execute  # noqa: E402

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
    p.add_argument("--rounds", type=int, default=0)
    p.add_argument("--seconds", type=float, default=0)
    p.add_argument("--ebsp", default="./ebsp")
    p.add_argument("--opponent", default=os.environ.get("EBSP_TORCH_BENCH"))
    p.add_argument("--json")
    o = p.parse_args()
    o.rounds = o.rounds or (2 if o.quick else 5)
    o.seconds = o.seconds or (2 if o.quick else 6)
    default = ("resnet20:2,mlp:4" if o.quick
               else "resnet20:2,alexl:2,mlp:4,lenet:4")
    wanted, o.cases = o.cases or default, []
    for case in wanted.split(","):
        net, _, n = case.partition(":")
        if net not in BATCH or not n.isdigit() or int(n) < 1:
            p.error(f'"{case}": expected NET:WORKERS with a network of '
                    f'{" ".join(BATCH)}')
        o.cases.append((net, int(n)))
    return o


def run_ours(o, net, workers):
    """Samples a second of training: starting and evaluating do not count."""
    folder = tempfile.mkdtemp(prefix="ebsp-ddp-")
    try:
        execute([o.ebsp, "train", os.path.join(JOBS, net + ".json"),
                 "-n", str(workers), "-p", "bsp", "--threads", "1", "-q",
                 "--set", f"batch={BATCH[net]}", "--set", "eval_every=0",
                 "--epochs", "100000", "--max-seconds", str(o.seconds),
                 "-r", folder + "/run"], dict(os.environ))
        with open(folder + "/run/summary.json") as f:
            rate = json.load(f)["samples_per_second"]
        return rate or sys.exit(f"ddp.py: {net}: nothing done in "
                                f"{o.seconds} s; longer with --seconds")
    finally:
        shutil.rmtree(folder)


def run_theirs(o, net, workers, mode):
    text, _ = execute([PYTHON, "ddp.py", net, str(workers),
                       "--mode", mode, "--batch", str(BATCH[net]), "--layout",
                       "cl", "--secs", str(o.seconds)],
                      {**os.environ, **TUNED}, o.opponent)
    return float(re.search(r"img/s=([\d.]+)", text)[1])


def compare(o, net, workers):
    kinds = {"ours": lambda: run_ours(o, net, workers),
             "ours_alone": lambda: run_ours(o, net, 1)}
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
          "against one worker, per processor; their loss: to communication")
    print(f"{'network':10} {'workers':>7} {'ebsp':>9} {'DDP':>9} {'ratio':>6} "
          f"{'scaling':>7} {'their loss':>10}")
    nan = float("nan")
    for net, workers in o.cases:
        row = compare(o, net, workers)
        rows.append(row)
        print(f"{net:10} {workers:7} {row['ours_median']:9.1f} "
              f"{row.get('theirs_median', nan):9.1f} "
              f"{row.get('ratio', nan):6.2f} {row['scaling']:7.2f} "
              f"{row.get('their_loss', nan):10.2f}", flush=True)
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"benchmark": "ddp", "rounds": o.rounds,
                       "seconds": o.seconds, "rows": rows}, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
