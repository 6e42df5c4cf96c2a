#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Computes tests/torch/reference.json with PyTorch in double precision.

usage: make_reference.py [--check]

--check compares instead of writing.  tests/unit/test_reference.c holds the
engine and the optimizers against the file, so that `make check` needs no
PyTorch.
"""
import json
import os
import sys

import torch
from jobnet import JobNet
from refdata import GRADIENT, draw, parameter, samples, summary

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "..", "models")
JOBS = ["mlp-mnist", "lenet5-mnist", "alexnet-cifar10",
        "alexnet-large-cifar10", "resnet20-cifar10"]
BATCH = 4
KINK = 3e-6  # several times the error of an activation in single precision

# Steps of every job, and each of these on a few numbers.
TRAINING = {"type": "sgd", "lr": 0.001, "momentum": 0.9, "nesterov": True,
            "weight_decay": 1e-3}
OPTIMIZERS = [
    {"type": "sgd", "lr": 0.1},
    {"type": "sgd", "lr": 0.1, "weight_decay": 0.1},
    {"type": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
    TRAINING,
    {"type": "sgd", "lr": 0.1, "clip_norm": 0.5},
    {"type": "sgd", "lr": 0.1, "clip_value": 0.25},
    {"type": "adam", "lr": 0.1},
    {"type": "adam", "lr": 0.1, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-3,
     "weight_decay": 0.1},
    {"type": "adamw", "lr": 0.1, "weight_decay": 0.1},
]


def make_optimizer(config, weights, others):
    config = dict(config)
    kind = config.pop("type")
    decay = config.pop("weight_decay", 0.0)
    if kind != "sgd":
        config["betas"] = (config.pop("beta1", 0.9), config.pop("beta2", 0.999))
        config["eps"] = config.pop("epsilon", 1e-8)
    groups = [{"params": weights, "weight_decay": decay},
              {"params": others, "weight_decay": 0.0}]
    cls = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam,
           "adamw": torch.optim.AdamW}[kind]
    return cls([g for g in groups if g["params"]], **config)


def prepare(name, seed):
    """The network of a job with its parameters, and its mini-batch."""
    with open(os.path.join(MODELS, name + ".json"), encoding="utf-8") as f:
        job = json.load(f)
    net = JobNet(job).double()
    for index, (key, value) in enumerate(net.segments().items()):
        value.copy_(parameter(seed, index, key, tuple(value.shape)))
    x, label = samples(seed, job["input"], BATCH, 10)
    return net, x, label


def find_seed(name):
    """The first seed whose mini-batch puts no relu's input so near to 0 that
    single precision may see it on the other side: one of them in the last
    layers of ResNet-20 changes gradients by half a percent."""
    for seed in range(1, 1000):
        net, x, _ = prepare(name, seed)
        nearest = []
        for module in net.modules():
            if isinstance(module, torch.nn.ReLU):
                module.register_forward_hook(
                    lambda _, i, o: nearest.append(i[0].abs().min().item()))
        with torch.no_grad():
            net.train()(x)
        if min(nearest) > KINK:
            return seed
    sys.exit(f"{name}: no seed without kinks")


def gradients(net):
    """By segment; statistics of the mini-batch where there is no gradient."""
    by_name = {name: p.grad for name, p in net.named_parameters()}
    return {name: by_name.get(name, value)
            for name, value in net.segments().items()}


def statistics_of_the_batch(net, on):
    """Momentum 1: the running statistics become those of the mini-batch."""
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            if on:
                module.momentum, module.usual = 1.0, module.momentum
            else:
                module.momentum = module.usual


def job_reference(name):
    seed = find_seed(name)
    net, x, label = prepare(name, seed)
    with torch.no_grad():
        net.eval()
        y = net(x)
        result = {"name": name, "seed": seed, "batch": BATCH,
                  "eval_loss": net.loss(y, label).item(),
                  "outputs": summary(0, y)}
    net.train()
    statistics_of_the_batch(net, True)
    loss = net.loss(net(x), label)
    loss.backward()
    result["loss"] = loss.item()
    result["segments"] = {key: summary(index, g) for index, (key, g)
                          in enumerate(gradients(net).items())}

    net, x, label = prepare(name, seed)
    net.train()
    weights = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() == 1]
    optimizer = make_optimizer(TRAINING, weights, others)
    result["losses"] = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = net.loss(net(x), label)
        loss.backward()
        optimizer.step()
        result["losses"].append(loss.item())
    net.eval()
    result["trained_eval_loss"] = net.loss(net(x), label).item()
    return result


def optimizer_reference(config):
    p = torch.nn.Parameter(draw(0, GRADIENT, 8))
    plain = {k: v for k, v in config.items() if not k.startswith("clip")}
    optimizer = make_optimizer(plain, [p], [])
    for step in range(5):
        p.grad = draw(0, GRADIENT + 1 + step, 8)
        if "clip_value" in config:
            torch.nn.utils.clip_grad_value_([p], config["clip_value"])
        if "clip_norm" in config:
            torch.nn.utils.clip_grad_norm_([p], config["clip_norm"])
        optimizer.step()
    return {"optimizer": config, "params": p.detach().tolist()}


def text_of(reference):
    """JSON with a line per job's segment: differences can be read."""
    lines = []
    for job in reference["jobs"]:
        rest = {k: v for k, v in job.items() if k != "segments"}
        rows = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}"
                          for k, v in job["segments"].items())
        lines.append(json.dumps(rest)[:-1] + ', "segments": {\n' + rows
                     + "}}")
    rows = ",\n".join(json.dumps(o) for o in reference["optimizers"])
    head = json.dumps({k: v for k, v in reference.items()
                       if k not in ("jobs", "optimizers")})
    return (head[:-1] + ',\n"jobs": [\n' + ",\n".join(lines)
            + '],\n"optimizers": [\n' + rows + "]}\n")


def close(a, b, path="reference"):
    """Sums in another order, as another machine may do them, change the last
    digits of doubles."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for k in a:
            close(a[k], b[k], f"{path}.{k}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            close(x, y, f"{path}[{i}]")
    elif isinstance(a, float) and isinstance(b, float):
        if abs(a - b) > 1e-8 * max(abs(a), abs(b), 1.0):
            sys.exit(f"{path}: {b} in the file, {a} now")
    elif a != b:
        sys.exit(f"{path}: {b} in the file, {a} now")


def main(args):
    torch.set_num_threads(1)
    reference = {
        "comment": "written by make_reference.py with PyTorch in double "
                   "precision",
        "training": TRAINING,
        "jobs": [job_reference(name) for name in JOBS],
        "optimizers": [optimizer_reference(o) for o in OPTIMIZERS],
    }
    path = os.path.join(HERE, "reference.json")
    if "--check" in args:
        with open(path, encoding="utf-8") as f:
            close(reference, json.load(f))
    else:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text_of(reference))


if __name__ == "__main__":
    main(sys.argv[1:])
