#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Start-up: seconds from the start of `ebsp train` with 4 local workers to the
first push in its event stream.

  bench/start.py [options]          in a build folder, after `make`

By the wall clock of this script, so with all that comes before: program, job,
data, and the choice of convolutions.  cold: that choice is not remembered yet
(the cache is a fresh folder); warm: it is, from the cold run just before.

  --quick            one round
  --rounds N         of a cold and a warm run; default 5, medians
  --data-dir DIR     with mnist/ in it: LeNet-5 on MNIST, otherwise on generated
                     digits; default EBSP_DATA
  --ebsp PROGRAM     default ./ebsp
  --json FILE        the same figures, and every single one, as JSON
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../models")
WORKERS = 4
POLL = 0.002
LIMIT = 120


def options():
    p = argparse.ArgumentParser(
        description=__doc__, usage=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--rounds", type=int, default=0)
    p.add_argument("--data-dir", default=os.environ.get("EBSP_DATA"))
    p.add_argument("--ebsp", default="./ebsp")
    p.add_argument("--json")
    o = p.parse_args()
    o.rounds = o.rounds or (1 if o.quick else 5)
    mnist = o.data_dir and os.path.isdir(os.path.join(o.data_dir, "mnist"))
    o.job = "lenet5-mnist" if mnist else "lenet5-digits"
    o.data = ["--data-dir", o.data_dir] if mnist else []
    return o


class Failed(Exception):
    """ebsp train, and why."""


def has_push(line):
    """Of lines that are not whole nothing is known yet."""
    return line.endswith("\n") and json.loads(line)["event"] == "push"


def wait_for_push(path, process, start):
    """Seconds since start."""
    stream = None
    line = ""
    try:
        while time.monotonic() - start < LIMIT:
            over = process.poll() is not None
            if not stream and os.path.exists(path):
                stream = open(path)
            while stream and (more := stream.readline()):
                line += more
                if has_push(line):
                    return time.monotonic() - start
                line = "" if line.endswith("\n") else line
            if over:
                raise Failed(f"exit status {process.returncode} before the "
                             "first push")
            time.sleep(POLL)
        raise Failed(f"no push within {LIMIT} s")
    finally:
        if stream:
            stream.close()


def run(o, cache):
    """Seconds to the first push; the rest of the run is called off, which it
    tells."""
    folder = tempfile.mkdtemp(prefix="ebsp-start-")
    said = open(folder + "/stderr", "w+")
    try:
        start = time.monotonic()
        p = subprocess.Popen(
            [o.ebsp, "train", os.path.join(MODELS, o.job + ".json"), "-n",
             str(WORKERS), "-q", *o.data, "-r", folder + "/run"],
            env={**os.environ, "XDG_CACHE_HOME": cache}, stderr=said)
        try:
            return wait_for_push(folder + "/run/events.jsonl", p, start)
        finally:
            p.terminate()
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
    except Failed as e:
        said.seek(0)
        sys.exit(f"{said.read()}start.py: ebsp train: {e}")
    finally:
        said.close()
        shutil.rmtree(folder)


def main():
    o = options()
    cold, warm = [], []
    for _ in range(o.rounds):
        cache = tempfile.mkdtemp(prefix="ebsp-cache-")
        try:
            cold.append(run(o, cache))
            warm.append(run(o, cache))
        finally:
            shutil.rmtree(cache)
    figures = {"benchmark": "start", "job": o.job, "workers": WORKERS,
               "cold_seconds": statistics.median(cold),
               "warm_seconds": statistics.median(warm),
               "cold": cold, "warm": warm}
    print(f"{o.job}, {WORKERS} workers, medians of {o.rounds}: "
          f"{figures['cold_seconds']:.2f} s to the first push, "
          f"{figures['warm_seconds']:.2f} s when tuned before")
    if o.json:
        with open(o.json, "w") as f:
            json.dump(figures, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
