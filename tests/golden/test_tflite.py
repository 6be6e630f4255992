"""The scheme tflite-reference against the reference kernels of LiteRT, bit for bit."""

import numpy as np
import pytest

from golden.model import forward
from golden.quantisation import requantise, tflite_multiplier

HEIGHT, WIDTH = 9, 10


def reference_codes(spec, tensors, x, size):
    """Codes (C, H, W) of the reference kernels, of output `size`."""
    litert = pytest.importorskip("conformance.litert")
    transposed = spec["op"] == "conv_transpose2d"
    options = litert.schema.TransposeConvOptionsT() if transposed else (
        litert.schema.Conv2DOptionsT())
    options.padding = litert.schema.Padding.VALID
    options.strideH, options.strideW = spec.get("stride", [1, 1])
    return litert.case_of(
        spec, tensors, x[None], litert.OpResolverType.BUILTIN_REF,
        "TRANSPOSE_CONV" if transposed else "CONV_2D", options,
        tensors["weight"].transpose((1, 2, 3, 0) if transposed else (0, 2, 3, 1)), size).codes[0]


def random_layer(op, seed, binary):
    """A layer of int8; with `binary`, scales of 1/4 and 1/8 make many ties."""
    rng = np.random.default_rng([seed, binary])
    inputs, outputs, kernel = 3 + seed, 4, rng.integers(2, 5, 2).tolist()
    shape = (inputs, outputs) if op == "conv_transpose2d" else (outputs, inputs)
    largest = 3 if binary else 127
    factor = 2.0 ** (rng.integers(-3, -1, outputs) if binary else rng.uniform(-11, -8, outputs))
    spec = {"op": op, "in_channels": inputs, "out_channels": outputs, "kernel_size": kernel,
            "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1, "dtype": "int8",
            "input_zero_point": int(rng.integers(-128, 128)), "output_zero_point": -5,
            "requant": "tflite-reference", "activation": "none"}
    if op == "conv_transpose2d":
        spec |= {"stride": rng.integers(1, 4, 2).tolist(), "output_padding": [0, 0]}
    tensors = {"weight": rng.integers(-largest, largest + 1, (*shape, *kernel)),
               "bias": rng.integers(-20 * largest, 20 * largest, outputs),
               "input_scale": np.float32(0.5), "output_scale": np.float32(0.25 if binary else 0.3),
               "weight_scale": (factor / 2).astype(np.float32)}
    return spec, tensors, rng.integers(-128, 128, (inputs, HEIGHT, WIDTH))


@pytest.mark.parametrize("binary", (False, True))
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("op", ("conv_transpose2d", "conv2d"))
def test_layer_equals_the_reference_kernels(op, seed, binary):
    spec, tensors, x = random_layer(op, seed, binary)
    result = forward(spec, tensors, x)
    expected = reference_codes(spec, tensors, x, result.shape[1:])
    np.testing.assert_array_equal(result, expected)
    other = forward(spec | {"requant": "onnxruntime"}, tensors, x)
    assert np.mean(result != other) > 0.01 or not binary, "ties go another way"
    assert len(np.unique(result)) > 30, "codes spread"


def test_multiplier():
    scale = np.array([0.5, 0.75, 1 - 2.0**-33, 2.0**-31, 2.0**-32, 2.0**-33, 3.0])
    multiplier, shift = tflite_multiplier(scale)
    assert multiplier.tolist() == [2**30, 3 * 2**29, 2**30, 2**30, 2**30, 0, 3 * 2**29]
    assert shift.tolist() == [31, 31, 30, 61, 62, 31, 29]


def test_two_roundings():
    """High part: half up; then half away from zero. Half of 2**-1 rounds in the first alone."""
    acc = np.arange(-6, 7)[None]
    for scale, expected in ((0.5, [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3, 3]),
                            (0.25, [-2, -1, -1, -1, -1, 0, 0, 1, 1, 1, 1, 2, 2])):
        found = requantise(acc, [scale], 0, -128, 127, scheme="tflite-reference")
        assert found.tolist() == [expected]
