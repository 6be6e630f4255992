"""The naive way to the same output: insert the zeros, then convolve, with the same engine.

A transposed convolution is a convolution with stride 1 of the input with `stride - 1` zeros
between its pixels and a border around it, with the kernel turned by 180 degrees (V. Dumoulin and
F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285, section 4). The
engine is told nothing of those zeros: they are pixels of its input frame.
"""

from pathlib import Path

import numpy as np

from hw.export import make_program

__all__ = ["naive_cycles", "naive_options", "stuff", "write_weights"]


def _borders(layer):
    """((top, bottom), (left, right)) of the zeros around the stuffed input."""
    borders = tuple((kernel - 1 - before, kernel - 1 - after + extra)
                    for kernel, (before, after), extra in
                    zip(layer.kernel_size, layer.padding, layer.output_padding))
    if min(map(min, borders)) < 0:
        raise ValueError(f"padding must be smaller than kernel_size {layer.kernel_size}, "
                         f"not {layer.padding}")
    return borders


def naive_options(options, weights="random"):
    """`Options` of the naive engine for those of a transposed convolution, with the same folding.

    Parameters
    ----------
    options : Options
        With one group and no dilation.
    weights : str
        The file of `write_weights`.
    """
    layer = options.layer()
    if options.groups != 1 or layer.dilation != (1, 1):
        raise ValueError("groups and dilation must be 1, "
                         f"not {options.groups} and {layer.dilation}")
    height, width = ((length - 1) * stride + 1 + sum(border) for length, stride, border in
                     zip((options.height, options.width), layer.stride, _borders(layer)))
    kept = options.model_dump(include={"cin", "cout", "pi", "po", "px", "dtype", "output_dtype",
                                       "activation", "weight_bits", "requant", "multiplier_bits",
                                       "loadable"})
    return type(options)(op="conv2d", k=layer.kernel_size, s=(1,), p=(0,), height=height,
                         width=width, weights=str(weights), **kept)


def stuff(layer, codes, zero_point):
    """The input frame with zeros inserted and around it, all of them as codes."""
    borders = _borders(layer)
    channels, *lengths = codes.shape
    sizes = [(length - 1) * stride + 1 + sum(border)
             for length, stride, border in zip(lengths, layer.stride, borders)]
    stuffed = np.full((channels, *sizes), zero_point, dtype=codes.dtype)
    (top, bottom), (left, right) = borders
    stuffed[:, top:sizes[0] - bottom:layer.stride[0], left:sizes[1] - right:layer.stride[1]] = codes
    return stuffed


def write_weights(design, path):
    """Write the tensors of a transposed convolution for its naive engine; returns the path."""
    tensors = dict(design.tensors)
    tensors["weight"] = tensors["weight"].swapaxes(0, 1)[:, :, ::-1, ::-1]
    points = {name: design.spec[name] for name in ("input_zero_point", "output_zero_point")}
    np.savez(path, **tensors, **points)
    return Path(path)


def naive_cycles(options):
    """Cycles of a frame of the naive engine by the closed form of its schedule."""
    return make_program(naive_options(options)).schedule.cycles
