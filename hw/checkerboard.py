"""Warns of transposed convolutions whose output pixels sum unequal numbers of products.

Neighbouring outputs then differ in magnitude unless the weights balance it: a checkerboard
(A. Odena, V. Dumoulin, C. Olah, "Deconvolution and Checkerboard Artifacts", Distill, 2016,
distill.pub/2016/deconv-checkerboard). All phases have as many taps as each other if the stride
divides the kernel and has no factor in common with the dilation.
"""

import math
from dataclasses import replace

import numpy as np

from .layers import ConvTranspose2d
from .phase_bank import lower

__all__ = ["checkerboard_notes"]

MOST_COUNTS = 8  # of phases in a line, others in short


def checkerboard_notes(layer):
    """A line for each axis of `layer` along which the overlap is uneven; one line if they agree."""
    if not isinstance(layer, ConvTranspose2d):
        return []
    notes = {}
    single = replace(layer, in_channels=1, out_channels=1, groups=1)  # channels change nothing
    overlaps = lower(single, np.zeros(single.weight_shape)).overlaps
    for axis, (name, counts) in enumerate(zip(("rows", "columns"), overlaps)):
        if min(counts) < max(counts):
            notes.setdefault((_reason(layer, axis), _pattern(counts)), []).append(name)
    return [(f"{reason}: output {' and '.join(names)} sum {counts} taps in turn, a checkerboard "
             "unless the weights balance it") for (reason, counts), names in notes.items()]


def _reason(layer, axis):
    kernel, stride = layer.kernel_size[axis], layer.stride[axis]
    dilation = layer.dilation[axis]
    if math.gcd(dilation, stride) > 1:
        return f"dilation {dilation} has a factor in common with stride {stride}"
    return f"kernel {kernel} is not divisible by stride {stride}"


def _pattern(counts):
    if len(counts) > MOST_COUNTS:
        return f"{min(counts)} to {max(counts)}"
    return ", ".join(map(str, counts))
