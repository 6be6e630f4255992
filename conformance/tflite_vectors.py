"""The test vectors of TensorFlow Lite's transposed convolution.

The values are those of tensorflow/lite/kernels/transpose_conv_test.cc, TensorFlow, commit
057091db1ac347fe971c5defbf2fd41ca3a46a1c, under the Apache License 2.0, typed again as whole
numbers. Arrays are NHWC, filters OHWI.
"""

import numpy as np

from .cases import Case, collected, integer_case

__all__ = ["collect"]

SOURCE = "TensorFlow Lite vectors"

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

# The kernel for int16 rounds in a way of its own, which makes no difference to its one vector.
REQUANT = {"uint8": "tflite-reference", "int8": "tflite-reference", "int16": "onnxruntime"}

UINT8_FILTER = [*range(129, 164, 2)]
INT8_FILTER = [14, 28, 42, 56, 71, 85, 99, 113, 127]
UINT8 = {"dtype": "uint8", "input": (0.5, 127), "weight": ([0.5], 127)}
INT8 = {"dtype": "int8", "input": (16 / 255, -128), "weight": ([9 / 127], 0), "output": (2, -128)}
INT8_TWO = {"dtype": "int8", "input": (4 / 255, -128), "output": (1, -128)}

# shapes and input of a case that follows no float one, as in TFLITE
SIXTEEN_BITS = ((2, 3, 2), (2, 2, 2, 2), None, (2, 3, 2),
                [3, 2, 1, -1, -2, -3, 4, 3, 2, -2, -3, -4], "SAME", 1)

# name: float case it follows, filter data, bias as float, formats (scale, zero point), output
QUANTISED = {
    "SimpleTestQuantized": (
        "Simple", UINT8_FILTER[:9], None, {**UINT8, "output": (4, 127)},
        [28, 64, 84, 76, 100, 192, 236, 200, 208, 372, 416, 332, 264, 448, 484, 364]),
    "TwoFiltersTestQuantized": (
        "TwoFilters", UINT8_FILTER, None, {**UINT8, "output": (32, 127)},
        [192, 416, 576, 544, 672, 1344, 1696, 1440, 1504, 2720, 3072, 2432, 1984, 3360, 3648,
         2752]),
    "PaddingValidTestQuantized": (
        "PaddingValid", UINT8_FILTER, None, {**UINT8, "output": (32, 127)},
        [0, 32, 64, 96, 128, 96, 64, 192, 416, 576, 544, 352, 224, 672, 1344, 1696, 1440, 864, 608,
         1504, 2720, 3072, 2432, 1440, 864, 1984, 3360, 3648, 2752, 1536, 704, 1536, 2528, 2720,
         2016, 1088]),
    "SimpleTestQuantizedPerChannelSingleChannel": (
        "Simple", INT8_FILTER, None, INT8,
        [28, 62, 82, 76, 98, 192, 238, 198, 206, 372, 416, 330, 262, 446, 486, 366]),
    "TestQuantizedPerChannelMultiChannel": (
        "MultiChannel", [7, 22, 37, 52, 67, 82, 97, 112, 127, *INT8_FILTER], None,
        {**INT8_TWO, "weight": ([17 / 127, 18 / 127], 0)}, STRIDE_VALID_TWO),
    "TestQuantizedPerTensorMultiChannel": (
        "MultiChannel", [7, 21, 35, 49, 64, 78, 92, 106, 120, *INT8_FILTER], None,
        {**INT8_TWO, "weight": ([18 / 127, 18 / 127], 0)}, STRIDE_VALID_TWO),
    # the filter in its codes: 1 to 8, divided by 7/127 and 8/127
    "SimpleTestQuantizedPerChannel16x8": (
        None, [18, 36, 54, 73, 54, 73, 91, 109, 111, 127, 79, 95, 48, 64, 16, 32], None,
        {"dtype": "int16", "input": (4 / 127, 0), "weight": ([7 / 127, 8 / 127], 0),
         "output": (1, 0)},
        [7, 37, 16, 26, -9, -39, 27, 69, 48, 42, -32, -74]),
    "SimpleBiasTestQuantized": (
        "Simple", UINT8_FILTER[:9], [1], {**UINT8, "output": (4, 127)},
        [32, 64, 84, 76, 100, 192, 240, 200, 208, 372, 420, 332, 264, 448, 488, 368]),
    "SimpleBiasTestQuantizedPerChannelSingleChannel": (
        "Simple", INT8_FILTER, [1], INT8,
        [30, 62, 84, 76, 100, 194, 238, 200, 208, 372, 418, 330, 264, 446, 486, 366]),
}


def collect():
    """Yields a `Case` for each vector."""
    for name, (output, kernel, weight, size, x, padding, stride, bias, expected) in TFLITE.items():
        layer = {"op": "conv_transpose2d", **_geometry(output, kernel[1:3], size, padding, stride)}
        yield collected(SOURCE, "TRANSPOSE_CONV float", f"{name}Test", integer_case, layer,
                        _planar(size, x)[None], _planar(output, expected)[None],
                        weight=_weight(kernel, weight), bias=bias)
    for name, vector in QUANTISED.items():
        yield collected(SOURCE, "TRANSPOSE_CONV quantised", name, _quantised, *vector)


def _quantised(like, weight, bias, formats, expected):
    """Whole numbers in, real values out, each exactly a code."""
    output, kernel, _, size, x, padding, stride, *_ = TFLITE.get(like, SIXTEEN_BITS)
    (sx, zx), (sw, zw), (sy, zy) = (formats[key] for key in ("input", "weight", "output"))
    low, high = np.iinfo(formats["dtype"]).min, np.iinfo(formats["dtype"]).max
    spec = {"op": "conv_transpose2d", "in_channels": size[2], "out_channels": output[2],
            "kernel_size": list(kernel[1:3]), "dilation": [1, 1], "groups": 1,
            **_geometry(output, kernel[1:3], size, padding, stride),
            "dtype": formats["dtype"], "input_zero_point": zx, "output_zero_point": zy,
            "requant": REQUANT[formats["dtype"]], "activation": "none"}
    tensors = {"weight": _weight(kernel, weight) - zw, "input_scale": sx, "weight_scale": sw,
               "output_scale": sy}
    if bias:
        tensors["bias"] = np.array([int(value / np.float32(sx * s)) for value, s in zip(bias, sw)])
    frame = _half_away(_planar(size, x).astype(np.float32) / np.float32(sx)) + zx
    frame = np.clip(frame, low, high)
    codes = np.rint(_planar(output, expected) / sy + zy).astype(np.int64)
    return Case(spec=spec, tensors=tensors, frames=frame[None], codes=codes[None])


def _half_away(values):
    return (np.sign(values) * np.floor(np.abs(values) + 0.5)).astype(np.int64)


def _planar(shape, data):
    return np.reshape(list(data), shape).transpose(2, 0, 1)


def _weight(shape, data):
    return np.reshape(list(data), shape).transpose(3, 0, 1, 2)


def _geometry(output, kernel, size, padding, stride):
    """SAME crops what is too much, the odd row at the end; VALID crops nothing."""
    crop, extra = [], []
    for wanted, k, n in zip(output, kernel, size):
        total = stride * (n - 1) + k - wanted
        if padding == "VALID" and total:
            raise ValueError(f"padding must be SAME where the output is {output}, not VALID")
        crop.append([max(total, 0) // 2, max(total, 0) - max(total, 0) // 2])
        extra.append(max(-total, 0))
    return {"stride": [stride, stride], "padding": crop, "output_padding": extra}
