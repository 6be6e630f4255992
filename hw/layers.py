"""What the user asks for: frozen, validated descriptions of layers.

Field names and meaning follow `torch.nn`; each of `kernel_size`, `stride`, `output_padding` and
`dilation` is an int or `(vertical, horizontal)`, and `padding` may also be
`((top, bottom), (left, right))`.
"""

from dataclasses import dataclass, fields
from typing import ClassVar

__all__ = ["ConvTranspose2d", "Conv2d", "SubPixelConv2d", "Layer"]

MAX_KERNEL = 64
MAX_STRIDE = 32


def whole(field, value, low, high=None):
    """Return `value` as an int; raise `ValueError` unless it is a whole number in low..high."""
    rule = f"at least {low}" if high is None else f"in {low}..{high}"
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (
            high is not None and value > high):
        raise ValueError(f"{field} must be a whole number {rule}, not {value!r}")
    return value


def pair(field, value, low, high=None):
    """Return `value`, an int or (vertical, horizontal), as a checked pair."""
    values = (value, value) if isinstance(value, int) else value
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise ValueError(f"{field} must be an int or (vertical, horizontal), not {value!r}")
    return tuple(whole(field, v, low, high) for v in values)


def padding_pairs(value):
    """Return padding as ((top, bottom), (left, right))."""
    values = (value, value) if isinstance(value, int) else value
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise ValueError("padding must be an int, (vertical, horizontal) or "
                         f"((top, bottom), (left, right)), not {value!r}")
    return tuple(pair("padding", v, 0) for v in values)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Common part of every layer.

    Raises
    ------
    ValueError
        Naming the field, its value and the rule.
    """

    op: ClassVar[str]

    in_channels: int
    out_channels: int
    kernel_size: int | tuple = 3
    padding: int | tuple = 0
    dilation: int | tuple = 1
    groups: int = 1

    def __post_init__(self):
        checked = {
            "in_channels": whole("in_channels", self.in_channels, 1),
            "out_channels": whole("out_channels", self.out_channels, 1),
            "kernel_size": pair("kernel_size", self.kernel_size, 1, MAX_KERNEL),
            "padding": padding_pairs(self.padding),
            "dilation": pair("dilation", self.dilation, 1),
            "groups": whole("groups", self.groups, 1),
            **self._check(),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(f"groups must divide {name} ({getattr(self, name)}), "
                                 f"not {self.groups}")

    def _check(self):
        return {}

    def describe(self):
        """Return the layer as a plain dictionary, the form that `golden` and the manifest read."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"op": self.op, **{k: as_lists(v) for k, v in values.items()}}

    @property
    def upsampling(self):
        """(vertical, horizontal) number of output phases."""
        raise NotImplementedError

    @property
    def weight_shape(self):
        """Shape of the weight tensor, in the layout of `torch.nn`."""
        raise NotImplementedError

    @property
    def parameter_channels(self):
        """Number of bias and scale entries: the channels of the convolution itself."""
        return self.out_channels

    def output_length(self, axis, length):
        """Length of the output along `axis` (0 vertical, 1 horizontal) for an input `length`."""
        raise NotImplementedError

    def output_size(self, height, width):
        """(height, width) of the output frame; raise `ValueError` where nothing is left."""
        size = self.output_length(0, height), self.output_length(1, width)
        if min(size) < 1:
            raise ValueError("padding must leave at least one output pixel, but a "
                             f"{height}x{width} input gives {size[0]}x{size[1]}")
        return size

    def _extent(self, axis):
        return self.dilation[axis] * (self.kernel_size[axis] - 1) + 1


@dataclass(frozen=True, kw_only=True)
class ConvTranspose2d(Layer):
    """Transposed convolution, every parameter of `torch.nn.ConvTranspose2d`, any padding."""

    op: ClassVar[str] = "conv_transpose2d"

    stride: int | tuple = 1
    output_padding: int | tuple = 0

    def _check(self):
        stride = pair("stride", self.stride, 1, MAX_STRIDE)
        extra = pair("output_padding", self.output_padding, 0)
        for s, d, o in zip(stride, pair("dilation", self.dilation, 1), extra):
            if o >= max(s, d):
                raise ValueError("output_padding must be smaller than stride or dilation "
                                 f"({s}, {d}), not {o}")
        return {"stride": stride, "output_padding": extra}

    @property
    def upsampling(self):
        return self.stride

    @property
    def weight_shape(self):
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def output_length(self, axis, length):
        return ((length - 1) * self.stride[axis] - sum(self.padding[axis]) + self._extent(axis)
                + self.output_padding[axis])


@dataclass(frozen=True, kw_only=True)
class Conv2d(Layer):
    """Convolution with stride 1."""

    op: ClassVar[str] = "conv2d"

    @property
    def upsampling(self):
        return (1, 1)

    @property
    def weight_shape(self):
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def output_length(self, axis, length):
        return length + sum(self.padding[axis]) - self._extent(axis) + 1


@dataclass(frozen=True, kw_only=True)
class SubPixelConv2d(Layer):
    """Convolution to `out_channels * upscale_factor**2` channels, then pixel shuffle.

    `order` is "CRD" (`torch.nn.PixelShuffle`) or "DCR" (ONNX and TensorFlow depth-to-space).
    """

    op: ClassVar[str] = "sub_pixel_conv2d"

    upscale_factor: int = 2
    order: str = "CRD"

    def _check(self):
        if self.order not in ("CRD", "DCR"):
            raise ValueError(f"order must be CRD or DCR, not {self.order!r}")
        return {"upscale_factor": whole("upscale_factor", self.upscale_factor, 1, MAX_STRIDE)}

    @property
    def upsampling(self):
        return (self.upscale_factor, self.upscale_factor)

    @property
    def parameter_channels(self):
        return self.out_channels * self.upscale_factor**2

    @property
    def weight_shape(self):
        return (self.parameter_channels, self.in_channels // self.groups, *self.kernel_size)

    def output_length(self, axis, length):
        return (length + sum(self.padding[axis]) - self._extent(axis) + 1) * self.upscale_factor


def as_lists(value):
    """Turn nested tuples into the lists that JSON has."""
    return [as_lists(v) for v in value] if isinstance(value, tuple) else value
