# SPDX-License-Identifier: Apache-2.0
"""A job's network in PyTorch, and safetensors files without a library.

JobNet reads the "layers" of a job and computes them with torch.nn, written
from ebsp-job(5) and not from the engine: where both agree, both are right.
Modules have the layers' names, so that state_dict() has the names of
model.safetensors.
"""
import json
import math
import struct

import numpy
import torch
from torch import nn
from torch.nn import functional as F


# ---- safetensors ----

def load_safetensors(path):
    """Name -> tensor, and the metadata, by the description of the format."""
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    meta = header.pop("__metadata__", {})
    end, tensors = 0, {}
    for name, entry in sorted(header.items(),
                              key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        assert entry["dtype"] == "F32" and begin == end, name
        array = numpy.frombuffer(data[begin:stop], "<f4")
        tensors[name] = torch.from_numpy(array.copy()).reshape(entry["shape"])
        end = stop
    assert end == len(data)
    return tensors, meta


# ---- layers ----

def pair(value):
    return tuple(value) if isinstance(value, list) else (value, value)


class Window(nn.Module):
    """Pads as asked, then applies a module that pads nothing."""

    def __init__(self, layer, shape, inner, fill):
        super().__init__()
        self.pad, self.fill = self.padding_of(layer, shape), fill
        self.inner = inner

    @staticmethod
    def padding_of(layer, shape):
        """(left, right, top, bottom)"""
        padding = layer.get("padding", 0)
        if padding != "same":
            high, wide = pair(padding)
            return (wide, wide, high, high)
        kernel, dilation = pair(layer["kernel"]), pair(layer.get("dilation", 1))
        default = 1 if layer["type"] == "conv2d" else layer["kernel"]
        stride = pair(layer.get("stride", default))
        sides = []
        for i in (1, 0):
            size = shape[1 + i]
            extent = (kernel[i] - 1) * dilation[i] + 1
            total = max((math.ceil(size / stride[i]) - 1) * stride[i]
                        + extent - size, 0)
            sides += [total // 2, total - total // 2]
        return tuple(sides)

    def forward(self, x):
        return self.inner(F.pad(x, self.pad, value=self.fill))


class Conv(nn.Conv2d):
    def __init__(self, layer, shape):
        super().__init__(shape[0], layer["filters"], pair(layer["kernel"]),
                         pair(layer.get("stride", 1)),
                         dilation=pair(layer.get("dilation", 1)),
                         groups=layer.get("groups", 1),
                         bias=layer.get("bias", True))
        self.sides = Window.padding_of(layer, shape)

    def forward(self, x):
        return super().forward(F.pad(x, self.sides))


class Dense(nn.Linear):
    def __init__(self, layer, shape):
        super().__init__(math.prod(shape), layer["units"],
                         bias=layer.get("bias", True))

    def forward(self, x):
        return super().forward(x.flatten(1))


class Average(nn.Module):
    """count_include_pad false: the mean of what is not padding."""

    def __init__(self, layer, shape):
        super().__init__()
        kernel = pair(layer["kernel"])
        stride = pair(layer.get("stride", layer["kernel"]))
        self.sum = Window(layer, shape,
                          nn.AvgPool2d(kernel, stride, divisor_override=1), 0)
        self.size = kernel[0] * kernel[1]
        self.all = layer.get("count_include_pad", True)

    def forward(self, x):
        count = self.size if self.all else self.sum(torch.ones_like(x))
        return self.sum(x) / count


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *x):
        return self.function(*x)


def make_layer(layer, shape):
    """The module of a layer, other than the loss, on samples of a shape."""
    kind = layer["type"]
    if kind == "conv2d":
        return Conv(layer, shape)
    if kind == "dense":
        return Dense(layer, shape)
    if kind == "maxpool":
        stride = pair(layer.get("stride", layer["kernel"]))
        return Window(layer, shape,
                      nn.MaxPool2d(pair(layer["kernel"]), stride), -math.inf)
    if kind == "avgpool":
        return Average(layer, shape)
    if kind == "global_avgpool":
        return Lambda(lambda x: x.mean((2, 3)))
    if kind == "batchnorm":
        cls = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        return cls(shape[0], layer.get("epsilon", 1e-5),
                   layer.get("momentum", 0.1))
    if kind == "groupnorm":
        return nn.GroupNorm(layer["groups"], shape[0],
                            layer.get("epsilon", 1e-5))
    if kind == "lrn":
        return nn.LocalResponseNorm(layer.get("size", 5),
                                    layer.get("alpha", 1e-4),
                                    layer.get("beta", 0.75),
                                    layer.get("k", 1.0))
    if kind == "gelu":
        return nn.GELU(layer.get("approximate", "none"))
    if kind == "dropout":
        return nn.Dropout(layer.get("rate", 0.5))
    return {
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(layer.get("slope", 0.01)),
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "flatten": nn.Flatten,
        "add": lambda: Lambda(lambda *x: sum(x)),
    }[kind]()


PREFIX = {"conv2d": "conv", "dense": "fc", "global_avgpool": "gap",
          "batchnorm": "bn", "groupnorm": "gn",
          "softmax_cross_entropy": "loss", "mse": "loss"}


class JobNet(nn.Module):
    def __init__(self, job):
        super().__init__()
        self.steps, self.number = [], {}
        *layers, self.loss_layer = job["layers"]
        x = {"input": torch.zeros(2, *job["input"])}
        last = "input"
        for layer in layers:
            name = self.name_of(layer)
            sources = layer.get("input", last)
            sources = [sources] if isinstance(sources, str) else sources
            module = make_layer(layer, tuple(x[sources[0]].shape[1:]))
            self.add_at(name, module)
            with torch.no_grad():
                x[name] = module(*(x[s] for s in sources))
            self.steps.append((name, sources, module))
            last = name
        self.last = self.loss_layer.get("input", last)
        for module in self.modules():  # what the trial run above left there
            if hasattr(module, "reset_running_stats"):
                module.reset_running_stats()

    def name_of(self, layer):
        prefix = PREFIX.get(layer["type"], layer["type"])
        self.number[prefix] = self.number.get(prefix, 0) + 1
        return layer.get("name", f"{prefix}{self.number[prefix]}")

    def add_at(self, name, module):
        """"layer1.0.conv1" is a module in modules: names have no dots."""
        *path, leaf = name.split(".")
        at = self
        for part in path:
            if not hasattr(at, part):
                at.add_module(part, nn.Module())
            at = getattr(at, part)
        at.add_module(leaf, module)

    def forward(self, x):
        values = {"input": x}
        for name, sources, module in self.steps:
            values[name] = module(*(values[s] for s in sources))
        return values[self.last].flatten(1)

    def loss(self, y, target):
        if self.loss_layer["type"] == "mse":
            if not target.is_floating_point():
                target = F.one_hot(target, y.shape[1]).to(y.dtype)
            return F.mse_loss(y, target)
        return F.cross_entropy(
            y, target,
            label_smoothing=self.loss_layer.get("label_smoothing", 0.0))

    def segments(self):
        """Tensors in forward order as model.safetensors has them."""
        return {name: value for name, value in self.state_dict().items()
                if not name.endswith("num_batches_tracked")}
