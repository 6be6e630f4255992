"""What the user asks for: frozen, validated descriptions of layers.

Field names and meaning follow `torch.nn`; each of `kernel_size`, `stride`, `output_padding` and
`dilation` is an int or `(vertical, horizontal)`, and `padding` may also be
`((top, bottom), (left, right))`.
"""

import math
from dataclasses import dataclass, fields
from itertools import count
from typing import ClassVar

__all__ = ["ConvTranspose2d", "Conv2d", "SubPixelConv2d", "Resize2d", "ResizeConv2d", "Layer",
           "MODES", "COORDINATES", "smallest_length"]

MAX_KERNEL = 64
MAX_STRIDE = 32
MODES = ("nearest", "bilinear")
COORDINATES = ("half_pixel", "asymmetric", "align_corners")


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

    def __post_init__(self):
        for name, value in self._checked().items():
            object.__setattr__(self, name, value)

    def _checked(self):
        """{field: checked value}."""
        return {name: whole(name, getattr(self, name), 1)
                for name in ("in_channels", "out_channels")}

    def describe(self):
        """Return the layer as a plain dictionary, the form that `golden` and the manifest read."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"op": self.op, **{k: as_lists(v) for k, v in values.items()}}

    @property
    def weight_shape(self):
        """Shape of the weight tensor, in the layout of `torch.nn`; None if there is none."""
        raise NotImplementedError

    @property
    def group_inputs(self):
        """How many input channels an output channel sums."""
        return 1

    @property
    def denominator(self):
        """What sums of products are to be divided by, besides all scales."""
        return 1

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


@dataclass(frozen=True, kw_only=True)
class FilterLayer(Layer):
    """Common part of the layers that have weights."""

    kernel_size: int | tuple = 3
    padding: int | tuple = 0
    dilation: int | tuple = 1
    groups: int = 1

    def _checked(self):
        checked = super()._checked() | {
            "kernel_size": pair("kernel_size", self.kernel_size, 1, MAX_KERNEL),
            "padding": padding_pairs(self.padding),
            "dilation": pair("dilation", self.dilation, 1),
            "groups": whole("groups", self.groups, 1),
        }
        for name in ("in_channels", "out_channels"):
            if checked[name] % checked["groups"]:
                raise ValueError(f"groups must divide {name} ({checked[name]}), "
                                 f"not {checked['groups']}")
        return checked

    @property
    def group_inputs(self):
        return self.in_channels // self.groups

    @property
    def weight_shape(self):
        return (self.parameter_channels, self.group_inputs, *self.kernel_size)

    def _extent(self, axis):
        return self.dilation[axis] * (self.kernel_size[axis] - 1) + 1

    def filtered_length(self, axis, length):
        """Length along `axis` that a convolution with stride 1 leaves of `length`."""
        return length + sum(self.padding[axis]) - self._extent(axis) + 1


@dataclass(frozen=True, kw_only=True)
class ConvTranspose2d(FilterLayer):
    """Transposed convolution, every parameter of `torch.nn.ConvTranspose2d`, any padding."""

    op: ClassVar[str] = "conv_transpose2d"

    stride: int | tuple = 1
    output_padding: int | tuple = 0

    def _checked(self):
        checked = super()._checked()
        stride = pair("stride", self.stride, 1, MAX_STRIDE)
        extra = pair("output_padding", self.output_padding, 0)
        for s, d, o in zip(stride, checked["dilation"], extra):
            if o >= max(s, d):
                raise ValueError("output_padding must be smaller than stride or dilation "
                                 f"({s}, {d}), not {o}")
        return checked | {"stride": stride, "output_padding": extra}

    @property
    def weight_shape(self):
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def output_length(self, axis, length):
        return ((length - 1) * self.stride[axis] - sum(self.padding[axis]) + self._extent(axis)
                + self.output_padding[axis])


@dataclass(frozen=True, kw_only=True)
class Conv2d(FilterLayer):
    """Convolution, every parameter of `torch.nn.Conv2d`, any padding with zeros."""

    op: ClassVar[str] = "conv2d"

    stride: int | tuple = 1

    def _checked(self):
        return super()._checked() | {"stride": pair("stride", self.stride, 1, MAX_STRIDE)}

    def output_length(self, axis, length):
        return (self.filtered_length(axis, length) - 1) // self.stride[axis] + 1


@dataclass(frozen=True, kw_only=True)
class SubPixelConv2d(FilterLayer):
    """Convolution to `out_channels * upscale_factor**2` channels, then pixel shuffle.

    `order` is "CRD" (`torch.nn.PixelShuffle`) or "DCR" (ONNX and TensorFlow depth-to-space).
    """

    op: ClassVar[str] = "sub_pixel_conv2d"

    upscale_factor: int = 2
    order: str = "CRD"

    def _checked(self):
        if self.order not in ("CRD", "DCR"):
            raise ValueError(f"order must be CRD or DCR, not {self.order!r}")
        return super()._checked() | {
            "upscale_factor": whole("upscale_factor", self.upscale_factor, 1, MAX_STRIDE)}

    @property
    def parameter_channels(self):
        return self.out_channels * self.upscale_factor**2

    def output_length(self, axis, length):
        return self.filtered_length(axis, length) * self.upscale_factor


@dataclass(frozen=True, kw_only=True)
class Enlarging(Layer):
    """Resizing by a whole factor, as ONNX's `Resize` and `torch.nn.Upsample` do it.

    `coordinates` are ONNX's `coordinate_transformation_mode`. nearest takes pixel `floor(o / S)`,
    whatever they are; bilinear weighs the pixels beside `(o + 1/2) / S - 1/2` (half_pixel) or
    `o / S`, the edges repeated. With align_corners the last output lies on the last input, so that
    there are `S * (length - 1) + 1`.
    """

    scale_factor: int | tuple = 2
    mode: str = "nearest"
    coordinates: str = "half_pixel"

    def _checked(self):
        for name, rule in ("mode", MODES), ("coordinates", COORDINATES):
            if getattr(self, name) not in rule:
                raise ValueError(f"{name} must be one of {', '.join(rule)}, "
                                 f"not {getattr(self, name)!r}")
        return super()._checked() | {
            "scale_factor": pair("scale_factor", self.scale_factor, 1, MAX_STRIDE)}

    @property
    def clamps(self):
        """Whether pixels beyond the edges are those at the edges."""
        return self.mode == "bilinear"

    def shares(self, axis):
        """For each phase, {input offset: share} of the input in an enlarged pixel."""
        factor = self.scale_factor[axis]
        if self.mode == "nearest":
            return [{0: 1}] * factor
        half = self.coordinates == "half_pixel"
        whole = 2 * factor if half else factor
        found = []
        for phase in range(factor):
            offset, part = divmod(2 * phase + 1 - factor if half else phase, whole)
            pixels = {offset: whole - part, offset + 1: part}
            found.append({d: share for d, share in pixels.items() if share})
        return found

    @property
    def denominator(self):
        """Sum of the shares in an enlarged pixel, over both axes."""
        return math.prod(sum(self.shares(axis)[0].values()) for axis in (0, 1))

    def _enlarged(self, axis, length):
        factor = self.scale_factor[axis]
        return factor * (length - 1) + 1 if self.coordinates == "align_corners" else factor * length


@dataclass(frozen=True, kw_only=True)
class Resize2d(Enlarging):
    """Resizing of each channel by itself, the format of the codes unchanged."""

    op: ClassVar[str] = "resize2d"

    def _checked(self):
        if self.out_channels != self.in_channels:
            raise ValueError(f"out_channels must be in_channels ({self.in_channels}) for "
                             f"{self.op}, not {self.out_channels}")
        return super()._checked()

    @property
    def weight_shape(self):
        return None

    def shares(self, axis):
        """In lowest terms, since nothing but their sum tells the scale."""
        found = super().shares(axis)
        common = math.gcd(*(share for pixels in found for share in pixels.values()))
        return [{d: share // common for d, share in pixels.items()} for pixels in found]

    @property
    def kernel_size(self):
        """Pixels that an output is made of."""
        return tuple(max(map(len, self.shares(axis))) for axis in (0, 1))

    def output_length(self, axis, length):
        return self._enlarged(axis, length)


@dataclass(frozen=True, kw_only=True)
class ResizeConv2d(Enlarging, FilterLayer):
    """Resizing, then a convolution with stride 1, and nothing rounded in between."""

    op: ClassVar[str] = "resize_conv2d"

    def _checked(self):
        checked = super()._checked()
        if self.mode == "bilinear" and any(map(sum, checked["padding"])):
            # the zeros around the enlarged image would meet the repeated edges
            raise ValueError("padding must be 0 for a bilinear resize_conv2d, not "
                             f"{checked['padding']}; or resize in an engine of its own")
        if (factor := [s for s in checked["scale_factor"] if s & s - 1]) and (
                self.mode == "bilinear"):
            raise ValueError("scale_factor must be a power of two for a bilinear resize_conv2d, "
                             f"not {factor[0]}; or resize in an engine of its own")
        return checked

    def output_length(self, axis, length):
        return self.filtered_length(axis, self._enlarged(axis, length))


def smallest_length(layer, axis):
    """Smallest input length along `axis` of which a layer, or a chain, leaves an output."""
    return next(n for n in count(1) if layer.output_length(axis, n) > 0)


def as_lists(value):
    """Turn nested tuples into the lists that JSON has."""
    return [as_lists(v) for v in value] if isinstance(value, tuple) else value
