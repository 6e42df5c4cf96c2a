#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of a local worker against what its network and data need.

  bench/memory.py [options]          in a build folder, after `make`

needed: parameters, gradients, the output of every layer (of those that work in
place none), and the data set.  used: pages of the worker that are in memory, its
own and those it shares with others, but for the files of program and libraries,
which are told apart.

  --quick            lenet only
  --nets A,B,...     default lenet,mlp,alexs,alexl,resnet20
  --ebsp PROGRAM     default ./ebsp
  --json FILE        the same figures as JSON
"""
import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from step import BATCH, JOBS  # noqa: E402

IN_PLACE = ("relu", "flatten", "dropout", "softmax_cross_entropy")
MB = 1e6


def options():
    p = argparse.ArgumentParser(
        description=__doc__, usage=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--nets", default="")
    p.add_argument("--ebsp", default="./ebsp")
    p.add_argument("--json")
    o = p.parse_args()
    default = "lenet" if o.quick else "lenet,mlp,alexs,alexl,resnet20"
    o.nets = (o.nets or default).split(",")
    for net in o.nets:
        if net not in BATCH:
            p.error(f'no network "{net}", expected some of {" ".join(BATCH)}')
    return o


def size(shape):
    return math.prod(int(x) for x in shape.split("x"))


def needed(o, job, batch):
    """MB of parameters, of outputs, of the data set."""
    text = subprocess.run([o.ebsp, "train", job, "--dry-run"], text=True,
                          check=True, stdout=subprocess.PIPE).stdout
    train, test, shape = re.search(
        r"(\d+) training and (\d+) test samples of ([\dx]+)", text).groups()
    layers = re.findall(r"^\S+ +([a-z_0-9]+) +(\d[\dx]*) +\d+ ", text, re.M)
    params = int(re.search(r"layers, (\d+) parameters", text)[1])
    outputs = sum(size(s) for kind, s in layers if kind not in IN_PLACE)
    return (4 * params / MB, 4 * batch * outputs / MB,
            4 * (int(train) + int(test)) * size(shape) / MB)


def resident(pid):
    """MB: (anonymous and shared memory, mapped files)"""
    with open(f"/proc/{pid}/status") as f:
        kb = {k: int(v) for k, v in
              re.findall(r"^Rss(\w+):\s+(\d+) kB", f.read(), re.M)}
    return ((kb["Anon"] + kb["Shmem"]) * 1024 / MB, kb["File"] * 1024 / MB)


def wait_for_epoch(run, epochs, process):
    """Until all of the data has been read."""
    end = time.monotonic() + 600
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.1)
        try:
            with open(run + "/events.jsonl") as f:
                if f'"epoch":{epochs}' in f.read().replace(" ", ""):
                    return
        except OSError:
            pass
    sys.exit("memory.py: the run does not get there")


def used(o, job, batch):
    folder = tempfile.mkdtemp(prefix="ebsp-memory-")
    p = subprocess.Popen([o.ebsp, "train", job, "-n", "2", "-p", "bsp", "-q",
                          "--threads", "1", "--set", f"batch={batch}",
                          "--epochs", "100000", "--max-seconds", "600",
                          "-r", folder + "/run"], stderr=subprocess.DEVNULL)
    try:
        wait_for_epoch(folder + "/run", 1, p)
        with open(f"/proc/{p.pid}/task/{p.pid}/children") as f:
            return max(resident(int(pid)) for pid in f.read().split())
    finally:
        p.kill()
        p.wait()
        shutil.rmtree(folder)


def main():
    o = options()
    rows = []
    print("MB\n" + f"{'network':9} {'parameters':>10} {'gradients':>9} "
          f"{'outputs':>8} {'data':>6} {'needed':>7} {'used':>7} {'ratio':>6} "
          f"{'files':>6}")
    for net in o.nets:
        job = os.path.join(JOBS, net + ".json")
        params, outputs, data = needed(o, job, BATCH[net])
        have, files = used(o, job, BATCH[net])
        need = 2 * params + outputs + data
        rows.append({"net": net, "batch": BATCH[net], "parameters": params,
                     "outputs": outputs, "data": data, "needed": need,
                     "used": have, "files": files, "ratio": have / need})
        print(f"{net:9} {params:10.1f} {params:9.1f} {outputs:8.1f} {data:6.1f} "
              f"{need:7.1f} {have:7.1f} {have / need:6.2f} {files:6.1f}",
              flush=True)
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"benchmark": "memory", "rows": rows}, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
