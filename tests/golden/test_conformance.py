"""Vectors that others wrote: the ONNX node tests and the TensorFlow Lite transpose_conv tests."""

from fractions import Fraction
from math import copysign, floor, frexp

import numpy as np
import pytest

from golden.arithmetic import conv2d, conv_transpose2d, pixel_shuffle
from golden.model import accumulate, forward
from golden.quantisation import dtype_range, requantise, requantise_scale

# All cases are generated when one is asked for, and some of other operators overflow on purpose.
collects_onnx = pytest.mark.filterwarnings("ignore::RuntimeWarning:onnx[.]backend[.]test[.]case")


@pytest.fixture(scope="module")
def onnx_cases():
    """``name: (attributes, inputs, outputs)`` of the single-node ONNX cases of three operators."""
    onnx = pytest.importorskip("onnx")
    node_cases = pytest.importorskip("onnx.backend.test.case.node")
    cases = {}
    # A filter by operator given to collect_testcases works on its first call in a process only.
    for case in node_cases.collect_testcases(None):
        nodes = case.model.graph.node
        if len(nodes) == 1 and nodes[0].op_type in ("Conv", "ConvTranspose", "DepthToSpace"):
            attributes = {attribute.name: onnx.helper.get_attribute_value(attribute)
                          for attribute in nodes[0].attribute}
            cases[case.name] = (nodes[0].op_type, attributes, *case.data_sets[0])
    return cases


def integers(array):
    array = np.asarray(array)
    np.testing.assert_array_equal(array, np.rint(array))
    return array.astype(np.int64)


def resolve_transposed(attributes, size, kernel):
    """Stride, padding, output padding and dilation by the rules of the ONNX ConvTranspose."""
    axes = len(size)
    stride = attributes.get("strides", [1] * axes)
    dilation = attributes.get("dilations", [1] * axes)
    extra = list(attributes.get("output_padding", [0] * axes))
    pads = list(attributes.get("pads", [0] * 2 * axes))
    auto_pad = attributes.get("auto_pad", b"NOTSET")
    wanted = attributes.get("output_shape")
    if wanted is None and auto_pad != b"NOTSET":
        wanted = [n * s for n, s in zip(size, stride)]
    if wanted is not None:
        for axis, length in enumerate(wanted):
            full = (stride[axis] * (size[axis] - 1) + extra[axis]
                    + dilation[axis] * (kernel[axis] - 1) + 1)
            total = full - length
            if total < 0:
                # A negative total asks for rows that no input reaches, at the end if there is one.
                extra[axis], total = extra[axis] - total, 0
            begin = total // 2 if auto_pad == b"SAME_UPPER" else total - total // 2
            pads[axis], pads[axes + axis] = begin, total - begin
    return {"stride": stride, "dilation": dilation, "output_padding": extra,
            "padding": list(zip(pads[:axes], pads[axes:]))}


def transposed_nd(x, weight, options, groups):
    """A transposed convolution in one, two or three dimensions, of the one in two."""
    def in_plane(x, weight, dropped):
        kept = {name: list(value)[dropped:] for name, value in options.items()}
        return conv_transpose2d(x, weight, **kept, groups=groups)

    if x.ndim == 2:
        unit = {"stride": 1, "dilation": 1, "output_padding": 0, "padding": (0, 0)}
        lifted = {name: [unit[name], *value] for name, value in options.items()}
        return conv_transpose2d(x[:, None], weight[:, :, None], **lifted, groups=groups)[:, 0]
    if x.ndim == 3:
        return in_plane(x, weight, 0)
    stride, dilation, extra = (options[name][0] for name in ("stride", "dilation",
                                                             "output_padding"))
    depth = stride * (x.shape[1] - 1) + dilation * (weight.shape[2] - 1) + 1 + extra
    slices = [0] * depth
    for d, i in np.ndindex(x.shape[1], weight.shape[2]):
        slices[d * stride + i * dilation] += in_plane(x[:, d], weight[:, :, i], 1)
    before, after = options["padding"][0]
    return np.stack(slices[before:depth - after], axis=1)


@collects_onnx
@pytest.mark.parametrize("name", [
    "", "_1d", "_3d", "_autopad_same", "_dilations", "_group_2", "_group_2_image_3",
    "_kernel_shape", "_output_shape", "_pad", "_pads"])
def test_onnx_conv_transpose(onnx_cases, name):
    operator, attributes, (x, weight), (expected,) = onnx_cases[f"test_convtranspose{name}"]
    assert operator == "ConvTranspose"
    options = resolve_transposed(attributes, x.shape[2:], weight.shape[2:])
    result = [transposed_nd(image, integers(weight), options, attributes.get("group", 1))
              for image in integers(x)]
    np.testing.assert_array_equal(result, integers(expected))


@collects_onnx
@pytest.mark.parametrize("name", [
    "basic_conv_with_padding", "basic_conv_without_padding", "conv_with_autopad_same",
    "conv_with_strides_and_asymmetric_padding", "conv_with_strides_no_padding",
    "conv_with_strides_padding"])
def test_onnx_conv(onnx_cases, name):
    operator, attributes, (x, weight), (expected,) = onnx_cases[f"test_{name}"]
    assert operator == "Conv"
    stride, pads = attributes.get("strides", [1, 1]), attributes.get("pads", [0] * 4)
    padding = list(zip(pads[:2], pads[2:]))
    if attributes.get("auto_pad") == b"SAME_LOWER":
        totals = [max((-(-n // s) - 1) * s + k - n, 0)
                  for n, s, k in zip(x.shape[2:], stride, weight.shape[2:])]
        padding = [(total - total // 2, total // 2) for total in totals]
    result = conv2d(integers(x)[0], integers(weight), padding=padding, stride=stride)
    np.testing.assert_array_equal(result, integers(expected)[0])


@collects_onnx
@pytest.mark.parametrize("name, order", [("example", "DCR"), ("crd_mode_example", "CRD")])
def test_onnx_depth_to_space(onnx_cases, name, order):
    operator, attributes, (x,), (expected,) = onnx_cases[f"test_depthtospace_{name}"]
    assert operator == "DepthToSpace" and attributes["mode"] == order.encode()
    result = pixel_shuffle(integers(x)[0], attributes["blocksize"], order)
    np.testing.assert_array_equal(result, integers(expected)[0])


@collects_onnx
def test_onnx_has_no_other_cases(onnx_cases):
    operators = [operator for operator, *_ in onnx_cases.values()]
    assert sorted(set(operators)) == ["Conv", "ConvTranspose", "DepthToSpace"]
    assert [operators.count(name) for name in ("Conv", "ConvTranspose", "DepthToSpace")] \
        == [6, 11, 2]


# The values below are those of tensorflow/lite/kernels/transpose_conv_test.cc, TensorFlow,
# commit 057091db1ac347fe971c5defbf2fd41ca3a46a1c, under the Apache License 2.0. Arrays are NHWC,
# filters OHWI.

ODD_EVEN = [*range(1, 18, 2), *range(2, 19, 2)]
STRIDE_VALID_TWO = [
    1, 2, 3, 4, 7, 10, 6, 8, 10, 12, 7, 8, 9, 10, 25, 28, 18, 20, 22, 24, 16, 20, 24, 28, 62, 72,
    42, 48, 54, 60, 21, 24, 27, 30, 61, 68, 36, 40, 44, 48, 39, 42, 45, 48, 103, 110, 60, 64, 68,
    72]

# name: output (H, W, C), filter, its data, input (H, W, C), its data, padding, stride, bias, output
TFLITE = {
    "Simple": ((4, 4, 1), (1, 3, 3, 1), range(1, 10), (4, 4, 1), range(1, 17), "SAME", 1, None,
               [29, 62, 83, 75, 99, 192, 237, 198, 207, 372, 417, 330, 263, 446, 485, 365]),
    "TwoFilters": ((4, 4, 1), (1, 3, 3, 2), range(1, 19), (4, 4, 2), range(1, 33), "SAME", 1, None,
                   [184, 412, 568, 528, 678, 1347, 1689, 1434, 1494, 2715, 3057, 2442, 1968, 3352,
                    3652, 2760]),
    "PaddingValid": ((6, 6, 1), (1, 3, 3, 2), range(1, 19), (4, 4, 2), range(1, 33), "VALID", 1,
                     None,
                     [5, 22, 59, 101, 114, 83, 52, 184, 412, 568, 528, 344, 237, 678, 1347, 1689,
                      1434, 879, 597, 1494, 2715, 3057, 2442, 1431, 856, 1968, 3352, 3652, 2760,
                      1548, 689, 1534, 2543, 2729, 2010, 1103]),
    "StrideValid": ((5, 5, 1), (1, 3, 3, 1), range(1, 10), (2, 2, 1), range(1, 5), "VALID", 2,
                    None,
                    [1, 2, 5, 4, 6, 4, 5, 14, 10, 12, 10, 14, 36, 24, 30, 12, 15, 34, 20, 24, 21,
                     24, 55, 32, 36]),
    "MultiChannel": ((5, 5, 2), (2, 3, 3, 1), ODD_EVEN, (2, 2, 1), range(1, 5), "VALID", 2, None,
                     STRIDE_VALID_TWO),
    "Accuracy": ((3, 4, 1), (1, 3, 3, 1), [9, 5, 6, 9, 8, 5, 3, 1, 4], (1, 2, 1), [323, 521],
                 "SAME", 3, None,
                 [1615, 1938, 4689, 2605, 2584, 1615, 4689, 4168, 323, 1292, 1563, 521]),
    "MultiChannelBias": ((5, 5, 2), (2, 3, 3, 1), ODD_EVEN, (2, 2, 1), range(1, 5), "VALID", 2,
                         [3, 4],
                         [4, 6, 6, 8, 10, 14, 9, 12, 13, 16, 10, 12, 12, 14, 28, 32, 21, 24, 25,
                          28, 19, 24, 27, 32, 65, 76, 45, 52, 57, 64, 24, 28, 30, 34, 64, 72, 39,
                          44, 47, 52, 42, 46, 48, 52, 106, 114, 63, 68, 71, 76]),
}

UINT8_FILTER = [*range(129, 164, 2)]
INT8_FILTER = [14, 28, 42, 56, 71, 85, 99, 113, 127]
UINT8 = {"dtype": "uint8", "input": (0.5, 127), "weight": ([0.5], 127)}
INT8 = {"dtype": "int8", "input": (16 / 255, -128), "weight": ([9 / 127], 0), "output": (2, -128)}
INT8_TWO = {"dtype": "int8", "input": (4 / 255, -128), "output": (1, -128)}

# name: float case it follows, filter data, bias as float, quantisation (scale, zero point), output
QUANTISED = {
    "Simple": ("Simple", UINT8_FILTER[:9], None, {**UINT8, "output": (4, 127)},
               [28, 64, 84, 76, 100, 192, 236, 200, 208, 372, 416, 332, 264, 448, 484, 364]),
    "TwoFilters": ("TwoFilters", UINT8_FILTER, None, {**UINT8, "output": (32, 127)},
                   [192, 416, 576, 544, 672, 1344, 1696, 1440, 1504, 2720, 3072, 2432, 1984, 3360,
                    3648, 2752]),
    "PaddingValid": ("PaddingValid", UINT8_FILTER, None, {**UINT8, "output": (32, 127)},
                     [0, 32, 64, 96, 128, 96, 64, 192, 416, 576, 544, 352, 224, 672, 1344, 1696,
                      1440, 864, 608, 1504, 2720, 3072, 2432, 1440, 864, 1984, 3360, 3648, 2752,
                      1536, 704, 1536, 2528, 2720, 2016, 1088]),
    "PerChannelSingleChannel": ("Simple", INT8_FILTER, None, INT8,
                                [28, 62, 82, 76, 98, 192, 238, 198, 206, 372, 416, 330, 262, 446,
                                 486, 366]),
    "PerChannelMultiChannel": ("MultiChannel", [7, 22, 37, 52, 67, 82, 97, 112, 127, *INT8_FILTER],
                               None, {**INT8_TWO, "weight": ([17 / 127, 18 / 127], 0)},
                               STRIDE_VALID_TWO),
    "PerTensorMultiChannel": ("MultiChannel", [7, 21, 35, 49, 64, 78, 92, 106, 120, *INT8_FILTER],
                              None, {**INT8_TWO, "weight": ([18 / 127, 18 / 127], 0)},
                              STRIDE_VALID_TWO),
    "SimpleBias": ("Simple", UINT8_FILTER[:9], [1], {**UINT8, "output": (4, 127)},
                   [32, 64, 84, 76, 100, 192, 240, 200, 208, 372, 420, 332, 264, 448, 488, 368]),
    "SimpleBiasPerChannelSingleChannel": (
        "Simple", INT8_FILTER, [1], INT8,
        [30, 62, 84, 76, 100, 194, 238, 200, 208, 372, 418, 330, 264, 446, 486, 366]),
}


def planar(shape, data):
    return np.reshape(list(data), shape).transpose(2, 0, 1)


def resolve_tflite(output, kernel, size, padding, stride):
    """The TensorFlow Lite scheme: SAME crops what is too much, the odd row at the end."""
    crop, extra = [], []
    for wanted, k, n in zip(output, kernel, size):
        total = stride * (n - 1) + k - wanted
        assert padding == "SAME" or total == 0
        crop.append([max(total, 0) // 2, max(total, 0) - max(total, 0) // 2])
        extra.append(max(-total, 0))
    return {"stride": [stride, stride], "padding": crop, "output_padding": extra}


@pytest.mark.parametrize("name", TFLITE)
def test_tflite(name):
    output, kernel, weight, size, x, padding, stride, bias, expected = TFLITE[name]
    options = resolve_tflite(output, kernel[1:3], size, padding, stride)
    weight = np.reshape(list(weight), kernel).transpose(3, 0, 1, 2)
    result = conv_transpose2d(planar(size, x), weight, bias, **options)
    np.testing.assert_array_equal(result, planar(output, expected))


@np.vectorize
def half_away(value):
    return int(copysign(floor(abs(value) + Fraction(1, 2)), value))


def double_rounding(acc, scale):
    """MultiplyByQuantizedMultiplier: a 31-bit multiplier, then a shift, both half away from zero.

    Returns the rounded values and how far double rounding can move a value before the second.
    """
    fraction, exponent = frexp(scale)
    high = half_away(acc * Fraction(int(half_away(fraction * 2**31)), 2**31))
    return half_away(high * Fraction(2)**exponent), Fraction(2)**exponent / 2


@pytest.mark.parametrize("name", QUANTISED)
def test_tflite_quantised(name):
    """The accumulators give the values listed under the rounding of TensorFlow Lite.

    The codes differ by one, at most, and only where that rounding, half away from zero and done
    twice, goes another way: on ties, and next to them.
    """
    case, weight, bias, parameters, expected = QUANTISED[name]
    output, kernel, _, size, x, padding, stride, *_ = TFLITE[case]
    (sx, zx), (sw, zw), (sy, zy) = (parameters[key] for key in ("input", "weight", "output"))
    spec = {"op": "conv_transpose2d", "in_channels": size[2], "out_channels": output[2],
            "kernel_size": list(kernel[1:3]), "dilation": [1, 1], "groups": 1,
            **resolve_tflite(output, kernel[1:3], size, padding, stride),
            "dtype": parameters["dtype"], "input_zero_point": zx, "output_zero_point": zy,
            "requant": "onnxruntime", "activation": "none"}
    tensors = {"weight": np.reshape(weight, kernel).transpose(3, 0, 1, 2) - zw,
               "input_scale": sx, "weight_scale": sw, "output_scale": sy}
    if bias:
        tensors["bias"] = [int(value / np.float32(sx * s)) for value, s in zip(bias, sw)]
    codes = half_away(zx + planar(size, x).astype(np.float32) / np.float32(sx))
    codes = np.clip(codes, *dtype_range(parameters["dtype"]))

    result = forward(spec, tensors, codes)
    channels = zip(accumulate(spec, tensors, codes), result, planar(output, expected), sw)
    for acc, ours, listed, s in channels:
        acc, factor = acc.astype(object), Fraction(sx) * Fraction(s) / sy
        theirs, reach = double_rounding(acc, sx * s / sy)
        np.testing.assert_array_equal(theirs * sy, listed)
        differs = theirs + zy != ours
        assert (np.abs(theirs + zy - ours) <= 1).all()
        assert (np.abs(acc * factor % 1 - Fraction(1, 2)) <= reach)[differs].all()
        assert differs.sum() <= differs.size // 4


def test_tflite_quantised_16x8():
    """SimpleTestQuantizedPerChannel16x8: int16 codes, beyond what a layer here takes."""
    x = [3, 2, 1, -1, -2, -3, 4, 3, 2, -2, -3, -4]
    weight = np.reshape([1, 2, 3, 4, 3, 4, 5, 6, 7, 8, 5, 6, 3, 4, 1, 2], (2, 2, 2, 2))
    sx, sw = 4 / 127, np.array([7 / 127, 8 / 127])
    acc = conv_transpose2d(half_away(planar((2, 3, 2), x) / sx),
                           half_away(weight / sw[:, None, None, None]).transpose(3, 0, 1, 2),
                           padding=((0, 1), (0, 1)))
    result = requantise(acc, requantise_scale(sx, sw, 1), 0, -2**15, 2**15 - 1)
    np.testing.assert_array_equal(
        result, planar((2, 3, 2), [7, 37, 16, 26, -9, -39, 27, 69, 48, 42, -32, -74]))
