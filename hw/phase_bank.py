"""A layer as a polyphase filter bank: one small ordinary filter for each output phase.

Output row `S*i + p` of a transposed convolution with stride S, dilation D and padding P takes
kernel row `k` from input row `i + (p + P - k*D) / S`, and only where that division leaves no
remainder (P. P. Vaidyanathan, "Multirate Systems and Filter Banks", 1993, section 4.3). The
inserted zeros are those remainders: they never enter the bank.
"""

from dataclasses import dataclass

import numpy as np

from .layers import Conv2d, ConvTranspose2d, Resize2d, ResizeConv2d, SubPixelConv2d

__all__ = ["PhaseBank", "lower"]


@dataclass(frozen=True)
class PhaseBank:
    """The filters of every phase; rows and columns of the taps are independent of each other.

    Attributes
    ----------
    rows, columns : tuple of tuple of int
        For each vertical (horizontal) phase, the input offsets dy (dx) of its taps, ascending.
    filters : list of list of numpy.ndarray
        `filters[p][q]`, shape (out_channels, in_channels/groups, taps of p, taps of q).
    channels : list of list of numpy.ndarray
        `channels[p][q]`, shape (out_channels,): which bias and scale each output channel uses.
    groups : int
        Convolution groups: output channel o meets only the input channels of its group.
    step : tuple of int
        Input rows (columns) from one period of output phases to the next.
    clamps : bool
        Whether a tap beyond an edge meets the pixel at the edge, instead of nothing; no tap is
        then further out than one pixel.
    gain : int
        Most that a weight of the layer is multiplied by, with all that are added into one.
    """

    rows: tuple
    columns: tuple
    filters: list
    channels: list
    groups: int
    step: tuple = (1, 1)
    clamps: bool = False
    gain: int = 1

    @property
    def overlaps(self):
        """(vertical, horizontal): how many taps each phase has, so how many an output sums."""
        return tuple(tuple(len(taps) for taps in axis) for axis in (self.rows, self.columns))

    @property
    def per_phase_parameters(self):
        """Whether bias and scale differ from phase to phase (they do after a pixel shuffle)."""
        first = self.channels[0][0]
        return any(not np.array_equal(c, first) for row in self.channels for c in row)


def lower(layer, weight):
    """Turn a layer and its weight tensor (layout of `torch.nn`) into its `PhaseBank`."""
    if isinstance(layer, Resize2d):
        return _enlarged(layer, np.ones((layer.out_channels, 1, 1, 1), np.int64),
                         layer.in_channels)
    weight = np.asarray(weight)
    if weight.shape != layer.weight_shape:
        raise ValueError(f"weight must have the shape {layer.weight_shape}, not {weight.shape}")
    match layer:
        case ConvTranspose2d():
            return _transposed(layer, weight)
        case Conv2d():
            return _convolution(layer, weight, [[np.arange(layer.out_channels)]], layer.groups,
                                layer.stride)
        case SubPixelConv2d():
            return _sub_pixel(layer, weight)
        case ResizeConv2d():
            return _enlarged(layer, weight, layer.groups)
    raise TypeError(f"layer must be one of hw.layers, not {type(layer).__name__}")


def _taps(layer, axis, phase):
    """(offset, kernel index) of every tap of one phase of a transposed convolution, ascending."""
    stride, before = layer.stride[axis], layer.padding[axis][0]
    taps = []
    for k in range(layer.kernel_size[axis]):
        offset, remainder = divmod(phase + before - k * layer.dilation[axis], stride)
        if remainder == 0:
            taps.append((offset, k))
    return sorted(taps)


def _transposed(layer, weight):
    rows, columns = ([_taps(layer, axis, phase) for phase in range(layer.stride[axis])]
                     for axis in (0, 1))
    # torch keeps (in, out/groups, kh, kw); the bank wants (out, in/groups, kh, kw)
    per_group = weight.reshape(layer.groups, layer.group_inputs, *weight.shape[1:])
    weight = per_group.swapaxes(1, 2).reshape(layer.out_channels, -1, *layer.kernel_size)
    filters = [[weight[:, :, [k for _, k in row]][:, :, :, [k for _, k in column]]
                for column in columns] for row in rows]
    channels = [[np.arange(layer.out_channels)] * len(columns)] * len(rows)
    return PhaseBank(_offsets(rows), _offsets(columns), filters, channels, layer.groups)


def _convolution(layer, weight, channels, groups, step=(1, 1)):
    rows, columns = ([[(k * layer.dilation[axis] - layer.padding[axis][0], k)
                       for k in range(layer.kernel_size[axis])]] * len(channels)
                     for axis in (0, 1))
    filters = [[weight[c] for c in row] for row in channels]
    return PhaseBank(_offsets(rows), _offsets(columns), filters, channels, groups, step)


def _sub_pixel(layer, weight):
    r, out = layer.upscale_factor, layer.out_channels
    shuffle = np.arange(layer.parameter_channels)
    # position of convolution channel (c, p, q), as `torch.nn.PixelShuffle` and ONNX name the orders
    shuffle = (shuffle.reshape(out, r, r) if layer.order == "CRD"
               else shuffle.reshape(r, r, out).transpose(2, 0, 1))
    channels = [[shuffle[:, p, q] for q in range(r)] for p in range(r)]
    group_of = np.arange(layer.parameter_channels) * layer.groups // layer.parameter_channels
    uniform = np.arange(out) * layer.groups // out
    if all(np.array_equal(group_of[c], uniform) for row in channels for c in row):
        return _convolution(layer, weight, channels, layer.groups)
    # the shuffle mixes the groups: zero blocks say the same, and cost no step
    dense = np.zeros((layer.parameter_channels, layer.in_channels, *layer.kernel_size),
                     dtype=weight.dtype)
    size = layer.group_inputs
    for channel, group in enumerate(group_of):
        dense[channel, group * size:(group + 1) * size] = weight[channel]
    return _convolution(layer, dense, channels, 1)


def _enlarged(layer, weight, groups):
    """Taps that meet the same pixel are one, their weights added up."""
    rows, columns = ([_shares(layer, axis, phase) for phase in range(layer.scale_factor[axis])]
                     for axis in (0, 1))
    filters = [[np.einsum("yh,oihw,xw->oiyx", row, weight, column, dtype=np.int64)
                for _, column in columns] for _, row in rows]
    channels = [[np.arange(layer.out_channels)] * len(columns)] * len(rows)
    gain = np.prod([max(int(shares.sum(axis=1).max()) for _, shares in axis)
                    for axis in (rows, columns)])
    offsets = (tuple(tuple(offsets) for offsets, _ in axis) for axis in (rows, columns))
    return PhaseBank(*offsets, filters, channels, groups, clamps=layer.clamps, gain=int(gain))


def _shares(layer, axis, phase):
    """(input offsets, ascending, share of each of them in each kernel row or column)."""
    kernel, dilation, before = (
        (layer.kernel_size[axis], layer.dilation[axis], layer.padding[axis][0])
        if isinstance(layer, ResizeConv2d) else (1, 1, 0))
    found = {}
    for k in range(kernel):
        pixel, part = divmod(phase + k * dilation - before, layer.scale_factor[axis])
        for offset, share in layer.shares(axis)[part].items():
            found.setdefault(pixel + offset, [0] * kernel)[k] += share
    return sorted(found), np.array([found[offset] for offset in sorted(found)])


def _offsets(phases):
    return tuple(tuple(offset for offset, _ in taps) for taps in phases)
