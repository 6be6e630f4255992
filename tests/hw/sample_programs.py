"""Small programs that are unlike each other, for all tests of the hardware."""

from functools import cache

import numpy as np

from hw.folding import Folding
from hw.layers import Conv2d, ConvTranspose2d, Resize2d, ResizeConv2d, SubPixelConv2d
from hw.program import Program
from hw.quantisation import Quantisation


def make_program(layer, *, size=(5, 6), seed=0, keep=1.0, folding=None, quantisation=None,
                 tensors=None, **options):
    """A program with random weights, of which a share of `keep` is not zero."""
    rng = np.random.default_rng(seed)
    formats = Quantisation(**quantisation or {})
    most, channels = 1 << formats.weight_bits - 1, layer.parameter_channels
    shape = layer.weight_shape or (channels, 1, 1, 1)
    weight = rng.integers(-most + options.get("pack", False), most, shape)
    weight *= rng.random(shape) < keep
    scale = rng.uniform(0.5, 2, channels) * 1.5 / most / np.sqrt(weight[0].size)
    if layer.weight_shape is None:
        scale = np.ones(channels)
    bias = rng.integers(-3000, 3000, channels)
    values = {
        "weight": weight, "bias": bias if layer.weight_shape else 0 * bias,
        "weight_scale": scale.astype(np.float32), "input_scale": np.float32(0.5),
        "output_scale": np.float32(0.5), "pre_scale": np.float32(0.5),
        "pre_zero_point": 3, "slope": rng.uniform(-1, 1, layer.out_channels).astype(np.float32),
        **(tensors or {}),
    }
    return Program(layer=layer, quantisation=formats, tensors=values, height=size[0],
                   width=size[1], folding=Folding(**folding or {}), **options)


def transposed(inputs=1, outputs=1, kernel=4, stride=2, padding=1, **more):
    return ConvTranspose2d(in_channels=inputs, out_channels=outputs, kernel_size=kernel,
                           stride=stride, padding=padding, **more)


def convolution(inputs, outputs, kernel=3, padding=1, **more):
    return Conv2d(in_channels=inputs, out_channels=outputs, kernel_size=kernel, padding=padding,
                  **more)


def sub_pixel(inputs, outputs, kernel=3, padding=1, factor=2, **more):
    return SubPixelConv2d(in_channels=inputs, out_channels=outputs, kernel_size=kernel,
                          padding=padding, upscale_factor=factor, **more)


def resize(channels, factor=2, mode="bilinear", **more):
    return Resize2d(in_channels=channels, out_channels=channels, scale_factor=factor, mode=mode,
                    **more)


def resize_convolution(inputs, outputs, kernel=3, padding=1, factor=2, **more):
    return ResizeConv2d(in_channels=inputs, out_channels=outputs, kernel_size=kernel,
                        padding=padding, scale_factor=factor, **more)


PROGRAMS = {  # name: (layer, options), small, and unlike each other
    "plain": (transposed(), {}),
    "folded": (transposed(4, 6, 3, output_padding=1), {"folding": {"pi": 2, "po": 3}}),
    "ragged": (transposed(5, 5, 5, 3, 2), {"folding": {"pi": 2, "po": 3}, "size": (4, 5)}),
    "gaps": (transposed(2, 3, 2, 3, 0), {"size": (3, 4)}),
    "three pixels": (transposed(2, 2), {"folding": {"pi": 2, "po": 2, "px": 3}, "size": (4, 8)}),
    "two pixels": (transposed(3, 1, (5, 3), (2, 3), ((1, 0), (2, 1)), output_padding=(1, 2)),
                   {"folding": {"px": 2}, "size": (4, 5)}),
    "cropped pixels": (transposed(1, 2, 3, 3, ((0, 0), (0, 2))),
                       {"folding": {"po": 2, "px": 2}, "size": (3, 5)}),
    "dilated": (transposed(2, 3, 3, 2, 1, dilation=(2, 3)), {"folding": {"pi": 2}}),
    "cropped": (transposed(2, 2, 3, 2, (5, 4)), {"size": (8, 7)}),
    "extended": (transposed(1, 1, 1, 3, 0, output_padding=2), {"size": (3, 3)}),
    "one": (transposed(), {"size": (1, 1)}),
    "groups": (transposed(6, 4, groups=2), {"folding": {"pi": 2}, "size": (3, 4)}),
    "depthwise": (transposed(5, 5, groups=5), {"folding": {"po": 2}, "size": (3, 4)}),
    "parallel groups": (transposed(6, 6, 3, groups=3),
                        {"folding": {"pi": 2, "po": 4}, "size": (3, 4)}),
    "convolution": (convolution(3, 4), {"folding": {"pi": 3, "po": 2}}),
    "dense pixels": (convolution(2, 1, 3, 2, dilation=2),
                     {"folding": {"pi": 1, "px": 4}, "size": (5, 7)}),
    "strided": (convolution(3, 4, stride=2), {"folding": {"pi": 2, "po": 2}}),
    "far strides": (convolution(2, 2, (1, 2), ((0, 1), (0, 0)), stride=(3, 2)),
                    {"size": (8, 7)}),
    "rows that none needs": (convolution(1, 1, (1, 2), 0, stride=(3, 1)), {"size": (9, 4)}),
    "skip strided": (convolution(5, 2, 5, 2, stride=(1, 3), dilation=(1, 2)),
                     {"folding": {"pi": 2, "po": 2}, "skip_zeros": True, "size": (5, 9)}),
    "bilinear": (resize(3), {"folding": {"po": 2}}),
    "bilinear corners": (resize(2, (3, 2), coordinates="align_corners"), {"size": (4, 5)}),
    "bilinear skip": (resize(2, (4, 3)), {"skip_zeros": True, "size": (3, 2)}),
    "bilinear one": (resize(1, 2), {"size": (1, 1)}),
    "nearest": (resize(4, (2, 3), "nearest"), {"folding": {"po": 4}, "size": (3, 4)}),
    "nearest convolution": (resize_convolution(3, 4), {"folding": {"pi": 2, "po": 2}}),
    "nearest pixels": (resize_convolution(2, 2, 5, ((2, 1), (0, 3)), 3),
                       {"folding": {"po": 2, "px": 2}, "size": (3, 4), "keep": 0.2}),
    "bilinear convolution": (resize_convolution(3, 2, 3, 0, mode="bilinear"),
                             {"folding": {"pi": 3}, "size": (3, 4)}),
    "loadable nearest": (resize_convolution(2, 2), {"loadable": True, "size": (3, 3)}),
    "sub-pixel": (sub_pixel(3, 2), {"folding": {"pi": 3}, "size": (4, 4)}),
    "shuffled groups": (sub_pixel(4, 2, factor=3, order="DCR", groups=2),
                        {"folding": {"pi": 2, "po": 2}, "size": (3, 4)}),
    "int8": (transposed(4, 6, 3), {"folding": {"pi": 2, "po": 3}, "quantisation": {
        "dtype": "int8", "input_zero_point": -7, "output_zero_point": 5, "weight_bits": 4}}),
    "compact": (transposed(4, 6, 3), {"folding": {"pi": 2, "po": 3}, "quantisation": {
        "requant": "compact", "multiplier_bits": 12, "activation": "relu",
        "output_zero_point": 9}}),
    "wide": (transposed(3, 4, 3), {
        "folding": {"pi": 2, "po": 2}, "tensors": {"output_scale": np.float32(2)},
        "quantisation": {"dtype": "int14", "output_dtype": "int12", "weight_bits": 12,
                         "input_zero_point": -5001, "output_zero_point": -9}}),
    "narrow": (transposed(2, 2), {
        "folding": {"pi": 2, "po": 2, "px": 2}, "loadable": True, "size": (3, 4),
        "tensors": {"bias": np.array([-9, 5]), "output_scale": np.float32(1 / 64)},
        "quantisation": {"dtype": "int4", "output_dtype": "uint6", "weight_bits": 3,
                         "input_zero_point": -3, "activation": "tanh"}}),
    "tflite": (transposed(4, 6, 3), {"folding": {"pi": 2, "po": 3}, "loadable": True,
                                     "size": (3, 4), "quantisation": {
        "dtype": "int8", "requant": "tflite-reference", "output_zero_point": -3}}),
    "tanh": (transposed(4, 6, 3), {"folding": {"pi": 2, "po": 3}, "quantisation": {
        "dtype": "int8", "activation": "tanh"}}),
    "prelu": (transposed(4, 6, 4), {"folding": {"po": 3}, "quantisation": {
        "activation": "prelu"}, "size": (3, 4)}),
    "pack": (transposed(3, 4, 3), {"folding": {"pi": 2, "po": 4}, "pack": True}),
    "pack groups": (transposed(4, 8, groups=4), {"folding": {"po": 8}, "pack": True,
                                                 "quantisation": {"weight_bits": 4}}),
    "lut products": (transposed(3, 4, 3), {"folding": {"pi": 3, "po": 2}, "lut_products": True}),
    "lut products of 4 bits": (transposed(2, 2), {
        "folding": {"pi": 2, "po": 2, "px": 2}, "lut_products": True, "size": (3, 4),
        "quantisation": {"weight_bits": 4, "dtype": "int8", "input_zero_point": 9}}),
    "serial": (transposed(6, 4), {"folding": {"po": 3}, "serial_requant": True}),
    "serial pixels": (transposed(2, 2, 3), {
        "folding": {"po": 2, "px": 2}, "serial_requant": True, "loadable": True, "size": (3, 4),
        "quantisation": {"requant": "compact", "multiplier_bits": 13, "activation": "tanh"}}),
    "serial alone": (transposed(40, 1), {"serial_requant": True, "size": (2, 3)}),
    "skip": (transposed(19, 2), {"folding": {"po": 2}, "skip_zeros": True, "size": (3, 3)}),
    "skip pixels": (transposed(6, 2), {"folding": {"pi": 2, "po": 2, "px": 3},
                                       "skip_zeros": True, "size": (4, 6)}),
    "pruned gaps": (transposed(2, 3, 2, 3, 0), {"keep": 0.5, "size": (3, 4)}),
    "pruned": (transposed(17, 4), {"folding": {"po": 2}, "keep": 0.3, "size": (3, 3)}),
    "skip and pruned": (sub_pixel(5, 2), {"folding": {"pi": 1, "po": 2}, "keep": 0.4,
                                          "skip_zeros": True, "size": (4, 4)}),
    "loadable": (transposed(4, 5, 3), {"folding": {"pi": 2, "po": 2}, "loadable": True,
                                       "size": (4, 4)}),
    "loadable banks": (transposed(3, 5, 3), {"folding": {"pi": 2}, "loadable": True,
                                             "spram": True, "size": (4, 4)}),
    "loadable prelu": (transposed(4, 6), {"folding": {"po": 3}, "loadable": True,
                                          "quantisation": {"activation": "prelu"},
                                          "size": (3, 3)}),
    "loadable pixels": (transposed(2, 2), {"folding": {"pi": 2, "po": 2, "px": 2},
                                           "loadable": True, "size": (3, 4), "quantisation": {
                                               "activation": "prelu"}}),
    "loadable tanh": (sub_pixel(2, 2), {"loadable": True, "quantisation": {
        "activation": "tanh", "dtype": "int8"}, "size": (3, 3)}),
}


@cache
def program(name):
    """The program of `PROGRAMS` with this name."""
    layer, options = PROGRAMS[name]
    return make_program(layer, seed=sum(map(ord, name)), **options)
