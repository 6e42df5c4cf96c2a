#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds what ebsp wrote against PyTorch.

usage: compare.py step DUMP_STEP JOB.json...
       compare.py data FOLDER
       compare.py model MODEL.safetensors DATA SUMMARY.json
       compare.py nets NETS.py MODEL.safetensors

step    gradients of a training step, element by element; DUMP_STEP is the
        program of dump_step.c
data    writes arrays to train and test on (see raw in ebsp-job(5))
model   a trained model.safetensors gives the test loss and accuracy of its
        run's summary on those arrays
nets    it gives the same outputs in modules that have other names
"""
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy
import torch
from jobnet import JobNet, load_safetensors
from make_reference import gradients, prepare, statistics_of_the_batch
from refdata import draw, rng_hash

# Single precision against double: see tests/unit/test_reference.c.
TOLERANCE = 1e-3


def check(good, what):
    if not good:
        sys.exit(what)


# ---- one step ----

def compare_step(dump_step, path):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                           "reference.json"), encoding="utf-8") as f:
        known = {job["name"]: job for job in json.load(f)["jobs"]}
    name = os.path.splitext(os.path.basename(path))[0]
    batch, seed = known[name]["batch"], known[name]["seed"]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "gradients.safetensors")
        subprocess.run([dump_step, path, str(batch), str(seed), out],
                       check=True)
        got, meta = load_safetensors(out)

    net, x, label = prepare(name, seed)
    net.train()
    statistics_of_the_batch(net, True)
    loss = net.loss(net(x), label)
    loss.backward()
    want = gradients(net)
    check(list(want) == list(got), f"{name}: other tensors")
    worst = abs(float(meta["loss"]) - loss.item())
    for key, tensor in want.items():
        scale = max(tensor.abs().max().item(), 1e-3)
        off = (got[key].double() - tensor).abs().max().item() / scale
        check(off < TOLERANCE, f"{name}: {key} is off by {off:.1e}")
        worst = max(worst, off)
    check(abs(float(meta["loss"]) - loss.item()) < TOLERANCE, f"{name}: loss")
    print(f"{name}: {len(want)} tensors agree, off by at most {worst:.1e}")


# ---- a trained model ----

def write_data(folder):
    """Images of ten classes, each of one colour, with noise."""
    shape, size = (3, 32, 32), 3 * 32 * 32
    colours = draw(1, 7, 10 * 3).reshape(10, 3, 1)
    header = {"shape": shape, "type": "float32", "classes": 10}
    for split, n, seed in (("train", 256, 2), ("test", 100, 3)):
        label = (rng_hash(seed, 8, n) % numpy.uint64(10)).astype(numpy.uint8)
        noise = draw(seed, 9, n * size, 1.0).reshape(n, 3, -1)
        x = colours[torch.from_numpy(label.astype(numpy.int64))] + noise
        files = {"x": f"{split}.bin", "labels": f"{split}-labels.bin"}
        x.numpy().astype("<f4").tofile(os.path.join(folder, files["x"]))
        label.tofile(os.path.join(folder, files["labels"]))
        header[split] = files
    with open(os.path.join(folder, "data.json"), "w", encoding="utf-8") as f:
        json.dump(header, f)


def read_test(folder):
    x = numpy.fromfile(os.path.join(folder, "test.bin"), "<f4")
    label = numpy.fromfile(os.path.join(folder, "test-labels.bin"), "u1")
    return (torch.from_numpy(x).double().reshape(-1, 3, 32, 32),
            torch.from_numpy(label.astype(numpy.int64)))


def load_model(path):
    """The network of the job in the metadata, with the file's numbers."""
    tensors, meta = load_safetensors(path)
    net = JobNet(json.loads(meta["ebsp_job"]))
    check(list(net.segments()) == list(tensors), f"{path}: other tensors")
    net.load_state_dict(tensors, strict=False)  # no count of batches
    return net.double().eval()


def compare_model(path, folder, summary):
    with open(summary, encoding="utf-8") as f:
        said = json.load(f)
    net = load_model(path)
    x, label = read_test(folder)
    with torch.no_grad():
        y = net(x)
    loss = net.loss(y, label).item()
    accuracy = (y.argmax(1) == label).double().mean().item()
    check(abs(loss - said["test_loss"]) < TOLERANCE * max(loss, 1),
          f"test loss {said['test_loss']}, PyTorch {loss}")
    check(math.isclose(accuracy, said["test_accuracy"], abs_tol=1e-9),
          f"test accuracy {said['test_accuracy']}, PyTorch {accuracy}")
    print(f"loss {loss:.6f} and accuracy {accuracy:.4f} agree")


def renamed(name):
    """The name in nets.py of a tensor of resnet20-cifar10."""
    layer, leaf = name.rsplit(".", 1)
    if not layer.startswith("layer"):
        return {"conv1": "c", "bn1": "b"}.get(layer, layer) + "." + leaf
    stage, block, *rest = layer.split(".")
    number = 3 * (int(stage[-1]) - 1) + int(block)
    rest = ".".join(rest).replace("downsample", "sc")
    rest = rest.replace("conv", "c").replace("bn", "b")
    return f"l.{number}.{rest}.{leaf}"


def compare_nets(path, model):
    spec = importlib.util.spec_from_file_location("nets", path)
    nets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nets)
    tensors, _ = load_safetensors(model)
    other = nets.NETS["resnet20"][0]()
    missing, unexpected = other.load_state_dict(
        {renamed(k): v for k, v in tensors.items()}, strict=False)
    check(not unexpected and all(k.endswith("num_batches_tracked")
                                 for k in missing),
          f"names differ: {missing}, {unexpected}")
    x = draw(4, 0, 8 * 3 * 32 * 32).reshape(8, 3, 32, 32)
    with torch.no_grad():
        want, got = load_model(model)(x), other.double().eval()(x)
    check((want - got).abs().max().item() < 1e-9, "outputs differ")
    print("the same outputs")


def main(args):
    torch.set_num_threads(1)
    if len(args) >= 3 and args[0] == "step":
        for path in args[2:]:
            compare_step(args[1], path)
    elif len(args) == 2 and args[0] == "data":
        write_data(args[1])
    elif len(args) == 4 and args[0] == "model":
        compare_model(*args[1:])
    elif len(args) == 3 and args[0] == "nets":
        compare_nets(*args[1:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
