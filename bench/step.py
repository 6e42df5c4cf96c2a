#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One training step of ebsp against the same network in PyTorch, side by side.

  bench/step.py [options]          in a build folder, after `make bench/step`

Both run in turn (A B A B ...), pinned to the same processors, and the medians
over the rounds are compared.  The opponent is a folder with step.py and nets.py
(see bench/README.md), given by --opponent or EBSP_TORCH_BENCH; without one only
our own figures are taken.  EBSP_TORCH_PYTHON is the Python that has PyTorch,
/usr/bin/python3 if it is not set.

  --quick            2 rounds of 1 second, one thread
  --nets A,B,...     of lenet alexs alexl mlp resnet20 resnet56
  --threads 1,2      numbers of threads
  --rounds N         default 5
  --seconds S        of each measurement, default 3
  --clock WHICH      wall (default), or processor: processor time divided by the
                     threads, where other load disturbs the wall clock
  --tune HOW         off, quick (default) or full: see ebsp-train(1)
  --step PROGRAM     default ./bench/step
  --opponent DIR
  --json FILE        the same figures, and every single one, as JSON
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

BATCH = {"lenet": 64, "alexs": 128, "alexl": 128, "mlp": 128,
         "resnet20": 128, "resnet56": 128}
PYTHON = os.environ.get("EBSP_TORCH_PYTHON", "/usr/bin/python3")
JOBS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jobs")

# The opponent measures with time.perf_counter.
RUN_OPPONENT = """
import runpy, sys, time
if {processor}:
    time.perf_counter = lambda: time.process_time() / {threads}
sys.path.insert(0, '.')
sys.argv = ['step.py'] + {args!r}
runpy.run_path('step.py', run_name='__main__')
"""


def positive(kind):
    """A type for argparse: a number above 0."""
    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < 1e9:
            raise argparse.ArgumentTypeError(
                f'expected a number above 0, got "{text}"')
        return value
    return read


def opponent_at(p, folder, program):
    """Refuses a folder without it; none is fine."""
    if folder and not os.path.exists(os.path.join(folder, program)):
        p.error(f"--opponent: no {program} in {folder}")


def options():
    p = argparse.ArgumentParser(
        description=__doc__, usage=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--nets", default=",".join(BATCH))
    p.add_argument("--threads", default="")
    p.add_argument("--rounds", type=positive(int), default=0)
    p.add_argument("--seconds", type=positive(float), default=0)
    p.add_argument("--clock", choices=["wall", "processor"], default="wall")
    p.add_argument("--tune", choices=["off", "quick", "full"], default="quick")
    p.add_argument("--step", default="./bench/step")
    p.add_argument("--opponent", default=os.environ.get("EBSP_TORCH_BENCH"))
    p.add_argument("--json")
    o = p.parse_args()
    o.rounds = o.rounds or (2 if o.quick else 5)
    o.seconds = o.seconds or (1 if o.quick else 3)
    cores = len(os.sched_getaffinity(0))
    default = "1" if o.quick or cores < 2 else "1,2"
    try:
        o.threads = [positive(int)(t) for t in (o.threads or default).split(",")]
    except argparse.ArgumentTypeError as e:
        p.error(f"--threads: {e}")
    opponent_at(p, o.opponent, "step.py")
    o.nets = o.nets.split(",")
    for net in o.nets:
        if net not in BATCH:
            p.error(f'no network "{net}", expected some of {" ".join(BATCH)}')
    if max(o.threads) > cores:
        p.error(f"--threads: expected at most {cores}, the processors here")
    return o


def pinned(threads):
    """The last processors: the first serves most interrupts."""
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    return ["taskset", "-c", ",".join(map(str, cores))]


def busy():
    """Seconds that all processors have worked so far."""
    with open("/proc/stat") as f:
        t = [int(x) for x in f.readline().split()[1:9]]
    return (sum(t) - t[3] - t[4]) / os.sysconf("SC_CLK_TCK")


def execute(command, env, cwd=None):
    """Output, and how many processors others kept busy meanwhile."""
    before, own = busy(), os.times()
    start = own.elapsed
    r = subprocess.run(command, env=env, cwd=cwd, text=True,
                       capture_output=True)
    if r.returncode != 0:
        sys.exit(f"step.py: {' '.join(command[:6])} ...: exit status "
                 f"{r.returncode}\n{r.stderr[-2000:]}")
    now = os.times()
    mine = sum(now[:4]) - sum(own[:4])
    return r.stdout, max(0.0, busy() - before - mine) / (now.elapsed - start)


def environment(o, **more):
    """Threads that wait for each other spin, which is no work."""
    passive = {"OMP_WAIT_POLICY": "passive"} if o.clock == "processor" else {}
    return {**os.environ, **passive, **more}


def run_ours(o, net, threads, ways):
    command = pinned(threads) + [
        o.step, os.path.join(JOBS, net + ".json"), "--batch", str(BATCH[net]),
        "--threads", str(threads), "--seconds", str(o.seconds), "--clock",
        o.clock, "--verbose"]
    command += ["--ways", ways] if ways else ["--tune", o.tune]
    text, other = execute(command, environment(o))
    found = re.search(r"^ways +(\S.*)$", text, re.M)
    rate = re.search(r"([\d.]+) samples/s", text)
    return float(rate[1]), other, found[1] if found else None


def run_theirs(o, net, threads):
    """With the settings that its README calls tuned."""
    env = environment(
        o, OMP_NUM_THREADS=str(threads),
        MALLOC_MMAP_THRESHOLD_="4000000000",
        MALLOC_TRIM_THRESHOLD_="8000000000",
        GLIBC_TUNABLES="glibc.malloc.hugetlb=1",
        LD_LIBRARY_PATH="/usr/lib/x86_64-linux-gnu/openblas-openmp")
    args = [net, "--threads", str(threads), "--layout", "cl", "--secs",
            str(o.seconds)]
    code = RUN_OPPONENT.format(processor=o.clock == "processor",
                               threads=threads, args=args)
    text, other = execute(pinned(threads) + [PYTHON, "-c", code],
                          env, o.opponent)
    return float(re.search(r"img/s=([\d.]+)", text)[1]), other


def compare(o, net, threads):
    """All rounds of one network; the ways are chosen once, in the first."""
    row = {"net": net, "batch": BATCH[net], "threads": threads,
           "clock": o.clock, "ours": [], "theirs": [], "other_load": 0.0,
           "ways": None}
    for _ in range(o.rounds):
        rate, other, ways = run_ours(o, net, threads, row["ways"])
        row["ours"].append(rate)
        row["ways"] = row["ways"] or ways
        row["other_load"] = max(row["other_load"], round(other, 2))
        if o.opponent:
            rate, other = run_theirs(o, net, threads)
            row["theirs"].append(rate)
            row["other_load"] = max(row["other_load"], round(other, 2))
    row["ours_median"] = statistics.median(row["ours"])
    if o.opponent:
        row["theirs_median"] = statistics.median(row["theirs"])
        row["ratio"] = round(row["ours_median"] / row["theirs_median"], 3)
    return row


def main():
    o = options()
    rows = []
    print(f"samples/s, {o.clock} clock, medians of {o.rounds} rounds; "
          "\"others\": processors busy with other things, at most")
    print(f"{'network':10} {'threads':>7} {'ebsp':>9} {'PyTorch':>9} "
          f"{'ratio':>6} {'others':>6}")
    for threads in o.threads:
        for net in o.nets:
            row = compare(o, net, threads)
            rows.append(row)
            print(f"{net:10} {threads:7} {row['ours_median']:9.1f} "
                  f"{row.get('theirs_median', float('nan')):9.1f} "
                  f"{row.get('ratio', float('nan')):6.2f} "
                  f"{row['other_load']:6.2f}", flush=True)
    if o.json:
        with open(o.json, "w") as f:
            json.dump({"benchmark": "step", "rounds": o.rounds,
                       "seconds": o.seconds, "tune": o.tune,
                       "rows": rows}, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
