# SPDX-License-Identifier: Apache-2.0
"""Numbers that Python and C make alike: see also tests/unit/test_reference.c.

rng_hash is the one of src/base/rng.h; `draw` gives n numbers in [-1, 1) from
its upper 24 bits, which are exact in single precision.
"""
import math

import numpy
import torch

LABELS, SIGNS, GRADIENT = 1 << 20, 2 << 20, 3 << 20  # streams; 0 is the input
MASK = (1 << 64) - 1


def splitmix64(x):
    z = (x + 0x9e3779b97f4a7c15) & MASK
    z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & MASK
    return z ^ (z >> 31)


def rng_hash(seed, stream, n):
    """rng_hash(seed, stream, i) for i in 0..n-1."""
    key = splitmix64(splitmix64(seed) ^ stream)
    x = numpy.arange(n, dtype=numpy.uint64) ^ numpy.uint64(key)
    with numpy.errstate(over="ignore"):
        z = x + numpy.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94d049bb133111eb)
    return z ^ (z >> numpy.uint64(31))


def draw(seed, stream, n, scale=1.0, offset=0.0):
    """offset + scale * [-1, 1), rounded to single precision."""
    bits = (rng_hash(seed, stream, n) >> numpy.uint64(40)).astype(numpy.float64)
    value = offset + scale * (bits * 2.0 ** -23 - 1.0)
    return torch.from_numpy(value.astype(numpy.float32).astype(numpy.float64))


def samples(seed, shape, n, classes):
    x = draw(seed, 0, n * math.prod(shape), math.sqrt(3.0)).reshape(n, *shape)
    label = rng_hash(seed, LABELS, n) % numpy.uint64(classes)
    return x, torch.from_numpy(label.astype(numpy.int64))


def parameter(seed, index, name, shape):
    """Segment `index` of a network: weights keep the variance of what passes
    a relu, scales are around 1, the rest is small."""
    n = math.prod(shape)
    if len(shape) > 1:
        scale, offset = math.sqrt(6.0 * shape[0] / n), 0.0
    elif name.endswith((".weight", ".running_var")):
        scale, offset = 0.25, 1.0
    else:
        scale, offset = 0.1, 0.0
    return draw(seed, 1 + index, n, scale, offset).reshape(shape)


def signs(stream, n):
    """n times 1 or -1."""
    bits = rng_hash(0, SIGNS + stream, n) >> numpy.uint64(63)
    return torch.from_numpy(1.0 - 2.0 * bits.astype(numpy.float64))


def summary(index, tensor):
    """[Euclidean norm, sum with random signs]: no permutation keeps both."""
    flat = tensor.detach().reshape(-1)
    return [flat.norm().item(), (flat * signs(index, flat.numel())).sum().item()]
