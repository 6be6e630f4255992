"""The phases of a layer for its picture: the kernel indices in each tap, and a naive engine's work.

A naive engine enlarges its input first, by inserted zeros or repeated pixels, and filters that.
"""

import math
from dataclasses import replace

import numpy as np

from .layers import ConvTranspose2d, Resize2d, ResizeConv2d
from .phase_bank import lower

__all__ = ["PhaseView"]

ALONE = {"kernel_size": 1, "stride": 1, "scale_factor": 1, "padding": (0, 0), "dilation": 1,
         "output_padding": 0}  # of an axis with one tap and, but for a pixel shuffle, one phase


class PhaseView:
    """A bank's taps, and the kernel indices that meet in each of them.

    Attributes
    ----------
    offsets : tuple of sequence
        `offsets[axis][phase]`: the input offset of each tap.
    kernels : tuple of sequence
        `kernels[axis][phase]`: for each tap, the kernel indices that meet in it; without a kernel,
        the share of its pixel in the output.
    phases, step : (int, int)
        Number of vertical and horizontal phases; input rows and columns from one period of them to
        the next.
    inputs : int
        Input channels of each output channel.
    """

    def __init__(self, layer):
        if isinstance(layer, Resize2d):
            bank = lower(replace(layer, in_channels=1, out_channels=1), None)
            self.kernels = tuple([[(share,) for _, share in sorted(pixels.items())]
                                  for pixels in layer.shares(axis)] for axis in (0, 1))
        else:
            single = replace(layer, in_channels=1, out_channels=1, groups=1)
            bank = lower(single, np.zeros(single.weight_shape, int))
            self.kernels = _kernels(single, 0), _kernels(single, 1)
        self.inputs = layer.group_inputs
        self.layer, self.offsets = layer, (bank.rows, bank.columns)
        self.phases, self.step = (len(bank.rows), len(bank.columns)), bank.step

    @property
    def merged(self):
        """Whether any tap is the sum of several of the kernel's."""
        return any(len(k) > 1 for axis in self.kernels for taps in axis for k in taps)

    @property
    def shared(self):
        """Whether all phases have the same taps, so that one drawing says all."""
        return all(taps == axis[0] for axes in (self.offsets, self.kernels)
                   for axis in axes for taps in axis)

    @property
    def zeros(self):
        """Whether a naive engine would insert zeros."""
        return isinstance(self.layer, ConvTranspose2d) and self.phases != (1, 1)

    @property
    def repeats(self):
        """Whether a naive engine would repeat pixels."""
        return (isinstance(self.layer, ResizeConv2d) and self.layer.mode == "nearest"
                and self.phases != (1, 1))

    @property
    def summary(self):
        """What all phases cost together, in one line."""
        products = math.prod(sum(map(len, axis)) for axis in self.offsets) * self.inputs
        period = math.prod(self.phases)
        naive = period * math.prod(self.layer.kernel_size) * self.inputs
        text = f"MACs of an output channel, taps × input channels: {products:,}"
        if period > 1:
            text += f" over all {self.phases[0]} × {self.phases[1]} phases"
        if self.zeros:
            text += f", {naive:,} with the inserted zeros"
        if self.repeats:
            text += f", {naive:,} on the enlarged image"
        return text + "."

    def taps(self, p, q):
        return len(self.offsets[0][p]) * len(self.offsets[1][q])

    def union(self, axis):
        """The offsets that any phase has, ascending."""
        return sorted({offset for taps in self.offsets[axis] for offset in taps})

    def enlarged(self, axis, phase):
        """(position in the image that a naive engine filters, kernel index), ascending."""
        layer = self.layer
        steps = [(k * layer.dilation[axis] - layer.padding[axis][0], k)
                 for k in range(layer.kernel_size[axis])]
        sign = -1 if self.zeros else 1  # a transposed convolution is one with the kernel flipped
        return sorted((phase + sign * step, k) for step, k in steps)

    def pixel(self, axis, position):
        """The input offset at a position of that image, or None for an inserted zero."""
        offset, remainder = divmod(position, self.phases[axis])
        return None if self.zeros and remainder else offset

    def busiest(self, axis):
        """The first of the phases with the most taps."""
        counts = [len(taps) for taps in self.offsets[axis]]
        return counts.index(max(counts))


def _kernels(layer, axis):
    """For each phase, the kernel indices in each of its taps along `axis`.

    Found by what `lower` makes of kernels that are 1 in one row (column) and 0 elsewhere.
    """
    layer = _along(layer, axis)
    found = None
    for k in range(layer.kernel_size[axis]):
        weight = np.zeros(layer.weight_shape, int)
        weight[np.s_[..., k, :] if axis == 0 else np.s_[..., k]] = 1
        bank = lower(layer, weight)
        filters = [row[0] for row in bank.filters] if axis == 0 else bank.filters[0]
        found = found or [[[] for _ in taps] for taps in (bank.rows, bank.columns)[axis]]
        for taps, kernel in zip(found, filters):
            for tap in np.flatnonzero(kernel.any(axis=(0, 1, 3 - axis))):
                taps[tap].append(k)
    return found


def _along(layer, axis):
    """The layer with one tap along the other axis, so that few filters are made."""
    settings = {name: tuple(getattr(layer, name)[n] if n == axis else alone for n in (0, 1))
                for name, alone in ALONE.items() if hasattr(layer, name)}
    return replace(layer, **settings)
