"""The layers: what they refuse, and their sizes against the definition."""

import dataclasses

import numpy as np
import pytest
from sample_programs import convolution, resize, resize_convolution, sub_pixel, transposed

from golden.model import accumulate
from hw.layers import Conv2d, ConvTranspose2d, Layer, Resize2d, ResizeConv2d, SubPixelConv2d

REFUSED = (
    (ConvTranspose2d, {"in_channels": 0}, "in_channels must be a whole number at least 1, not 0"),
    (ConvTranspose2d, {"in_channels": True}, "in_channels must be .* at least 1, not True"),
    (ConvTranspose2d, {"in_channels": "4"}, "in_channels must be .* at least 1, not '4'"),
    (Conv2d, {"out_channels": 1.0}, "out_channels must be .* at least 1, not 1.0"),
    (Conv2d, {"groups": 0}, "groups must be a whole number at least 1, not 0"),
    (Conv2d, {"groups": 4}, r"groups must divide in_channels \(6\), not 4"),
    (Conv2d, {"groups": 3}, r"groups must divide out_channels \(4\), not 3"),
    (Conv2d, {"kernel_size": 65}, r"kernel_size must be a whole number in 1..64, not 65"),
    (Conv2d, {"kernel_size": (3, 0)}, r"kernel_size must be a whole number in 1..64, not 0"),
    (Conv2d, {"kernel_size": "33"}, r"kernel_size must be an int or \(vertical, horizontal\)"),
    (Conv2d, {"kernel_size": (3, 3, 3)}, r"kernel_size must be an int or .*, not \(3, 3, 3\)"),
    (Conv2d, {"dilation": 0}, "dilation must be a whole number at least 1, not 0"),
    (Conv2d, {"padding": -1}, "padding must be a whole number at least 0, not -1"),
    (Conv2d, {"padding": (1, (2, -3))}, "padding must be a whole number at least 0, not -3"),
    (Conv2d, {"padding": (1, (2, 3, 4))}, r"padding must be an int or .*, not \(2, 3, 4\)"),
    (Conv2d, {"padding": 1.5}, (r"padding must be an int, \(vertical, horizontal\) or "
                                r"\(\(top, bottom\), \(left, right\)\), not 1.5")),
    (Conv2d, {"padding": (1,)}, r"padding must be an int, .*, not \(1,\)"),
    (ConvTranspose2d, {"stride": 33}, "stride must be a whole number in 1..32, not 33"),
    (ConvTranspose2d, {"stride": (0, 1)}, "stride must be a whole number in 1..32, not 0"),
    (ConvTranspose2d, {"output_padding": -1}, "output_padding must be .* at least 0, not -1"),
    (ConvTranspose2d, {"stride": 2, "output_padding": (1, 2)},
     r"output_padding must be smaller than stride or dilation \(2, 1\), not 2"),
    (SubPixelConv2d, {"order": "RDC"}, "order must be CRD or DCR, not 'RDC'"),
    (SubPixelConv2d, {"upscale_factor": 33}, "upscale_factor must be .* in 1..32, not 33"),
    (Conv2d, {"stride": 0}, "stride must be a whole number in 1..32, not 0"),
    (Resize2d, {}, r"out_channels must be in_channels \(6\) for resize2d, not 4"),
    (ResizeConv2d, {"scale_factor": 1.5}, "scale_factor must be an int or .*, not 1.5"),
    (ResizeConv2d, {"mode": "cubic"}, "mode must be one of nearest, bilinear, not 'cubic'"),
    (ResizeConv2d, {"coordinates": "tf"}, "coordinates must be one of half_pixel, .*, not 'tf'"),
    (ResizeConv2d, {"mode": "bilinear", "padding": (0, (1, 0))},
     r"padding must be 0 for a bilinear resize_conv2d, not \(\(0, 0\), \(1, 0\)\); or resize in"),
    (ResizeConv2d, {"mode": "bilinear", "scale_factor": (2, 3)},
     "scale_factor must be a power of two for a bilinear resize_conv2d, not 3; or resize in"),
)


@pytest.mark.parametrize("kind, options, message", REFUSED)
def test_refused(kind, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        kind(**{"in_channels": 6, "out_channels": 4} | options)


def test_output_padding_up_to_the_dilation():
    layer = transposed(stride=1, dilation=(3, 1), output_padding=(2, 0))
    assert layer.output_padding == (2, 0)


@pytest.mark.parametrize("layer, size, message", (
    (transposed(padding=2), (1, 8), "a 1x8 input gives 0x14"),
    (convolution(1, 1, (1, 5), 0), (6, 2), "a 6x2 input gives 6x-2"),
    (sub_pixel(1, 1, 3, (1, 0)), (6, 2), "a 6x2 input gives 12x0"),
))
def test_no_output(layer, size, message):
    with pytest.raises(ValueError, match="^padding must leave at least one output pixel, but "
                                         f"{message}$"):
        layer.output_size(*size)


def test_fields_are_pairs_and_frozen():
    layer = transposed(4, 6, 3, (2, 1), (1, (0, 2)), groups=2)
    assert layer.kernel_size == (3, 3) and layer.stride == (2, 1)
    assert layer.padding == ((1, 1), (0, 2)) and layer.dilation == (1, 1)
    assert layer.describe() == {
        "op": "conv_transpose2d", "in_channels": 4, "out_channels": 6, "kernel_size": [3, 3],
        "padding": [[1, 1], [0, 2]], "dilation": [1, 1], "groups": 2, "stride": [2, 1],
        "output_padding": [0, 0]}
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.groups = 1
    with pytest.raises(TypeError):
        ConvTranspose2d(1, 1)


def test_common_part_is_abstract():
    layer = Layer(in_channels=1, out_channels=1)
    for use in (lambda: layer.weight_shape, lambda: layer.output_length(0, 1)):
        with pytest.raises(NotImplementedError):
            use()


LAYERS = (
    transposed(2, 4, (4, 3), (3, 2), ((1, 2), (0, 1)), output_padding=(2, 1), groups=2),
    transposed(1, 3, (2, 5), (1, 4), 0, dilation=(3, 2), output_padding=(2, 3)),
    convolution(2, 4, (3, 2), ((1, 0), (2, 1)), dilation=(1, 2), groups=2),
    convolution(2, 4, (3, 2), ((1, 0), (2, 1)), stride=(2, 3)),
    sub_pixel(2, 3, (2, 3), ((0, 1), (1, 1)), 3, dilation=(2, 1)),
    resize(2, (2, 3)), resize(2, (2, 3), coordinates="align_corners"),
    resize_convolution(2, 3, (3, 4), ((0, 1), (1, 1)), (2, 3), dilation=(2, 1)),
    resize_convolution(2, 3, 3, 0, mode="bilinear", coordinates="align_corners"),
)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.op)
def test_sizes_are_those_of_the_definition(layer):
    tensors = {"weight": np.zeros(layer.weight_shape, int)} if layer.weight_shape else {}
    spec = {**layer.describe(), "dtype": "uint8", "input_zero_point": 0}
    output = accumulate(spec, tensors, np.zeros((layer.in_channels, 5, 7), int))
    assert output.shape == (layer.out_channels, *layer.output_size(5, 7))
