"""Chains of layers: the arithmetic against ONNX Runtime, and what does not fit together."""

import numpy as np
import pytest
from onnx_runtime import run_onnx

from golden.chain import Stage, simulate_chain
from golden.model import forward
from golden.quantisation import dtype_range
from golden.timing import EngineParameters, simulate

INPUTS, OUTPUTS, SIZE = 3, 4, (5, 6)


def layer(op, dtype, channels, zero_points, **fields):
    return {"op": op, "in_channels": channels[0], "out_channels": channels[1], "dtype": dtype,
            "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1, "requant": "onnxruntime",
            "activation": "none", **dict(zip(("input_zero_point", "output_zero_point"),
                                             zero_points)), **fields}


def chained(op, *stages):
    first, last = stages[0], stages[-1]
    return {"op": op, "in_channels": first["in_channels"], "dtype": first["dtype"],
            "input_zero_point": first["input_zero_point"], "out_channels": last["out_channels"],
            "output_zero_point": last["output_zero_point"], "stages": list(stages)}


def separable(dtype, seed=0):
    """A depthwise transposed convolution, then one of 1x1, with tensors and an input."""
    rng = np.random.default_rng(seed)
    low, high = dtype_range(dtype)
    zero = low + 120, low + 100, low + 140
    spec = chained(
        "separable_conv_transpose2d",
        layer("conv_transpose2d", dtype, (INPUTS, INPUTS), zero[:2], kernel_size=[4, 3],
              stride=[2, 3], padding=[[1, 2], [0, 1]], output_padding=[1, 0], groups=INPUTS),
        layer("conv2d", dtype, (INPUTS, OUTPUTS), zero[1:], kernel_size=[1, 1]))
    tensors = {
        "0.weight": rng.integers(-127, 128, (INPUTS, 1, 4, 3)), "0.bias": np.array([9, -200, 77]),
        "0.input_scale": np.float32(2**-4), "0.weight_scale": np.float32(2**-7),
        "0.output_scale": np.float32(2**-3),
        "1.weight": rng.integers(-127, 128, (OUTPUTS, INPUTS, 1, 1)),
        "1.bias": rng.integers(-999, 999, OUTPUTS), "1.input_scale": np.float32(2**-3),
        "1.weight_scale": rng.uniform(0.005, 0.01, OUTPUTS).astype(np.float32),
        "1.output_scale": np.float32(0.21)}
    return spec, tensors, rng.integers(low, high + 1, (INPUTS, *SIZE))


def bilinear(dtype, seed=0):
    """A bilinear resize, then a convolution with padding, with tensors and an input."""
    rng = np.random.default_rng(seed)
    low, high = dtype_range(dtype)
    spec = chained(
        "bilinear_conv2d",
        {"op": "resize2d", "mode": "bilinear", "scale_factor": [2, 4], "dtype": dtype,
         "coordinates": "half_pixel", "in_channels": INPUTS, "out_channels": INPUTS,
         "input_zero_point": low + 120, "output_zero_point": low + 120},
        layer("conv2d", dtype, (INPUTS, OUTPUTS), (low + 120, low + 90), kernel_size=[3, 3],
              padding=[[1, 1], [2, 0]]))
    tensors = {
        "1.weight": rng.integers(-127, 128, (OUTPUTS, INPUTS, 3, 3)),
        "1.bias": rng.integers(-999, 999, OUTPUTS), "1.input_scale": np.float32(2**-3),
        "1.weight_scale": rng.uniform(0.002, 0.004, OUTPUTS).astype(np.float32),
        "1.output_scale": np.float32(0.21)}
    return spec, tensors, rng.integers(low, high + 1, (INPUTS, *SIZE))


def convolution(spec, tensors):
    """The second layer as a node that reads `m`, and its constants."""
    (top, bottom), (left, right) = spec["padding"]
    return ("y = QLinearConv(m, sm, zm, w, sw, zw, sy, zy, b)",
            {"pads": [top, left, bottom, right]}), {
        "sm": tensors["1.input_scale"], "zm": np.array(spec["input_zero_point"], spec["dtype"]),
        "w": tensors["1.weight"].astype(np.int8), "sw": tensors["1.weight_scale"],
        "zw": np.zeros(OUTPUTS, np.int8), "sy": tensors["1.output_scale"],
        "zy": np.array(spec["output_zero_point"], spec["dtype"]),
        "b": tensors["1.bias"].astype(np.int32)}


@pytest.mark.parametrize("dtype", ("uint8", "int8"))
@pytest.mark.parametrize("seed", range(3))
def test_separable_equals_onnx_runtime(dtype, seed):
    spec, tensors, x = separable(dtype, seed)
    first, second = spec["stages"]
    node, constants = convolution(second, tensors)
    factor = tensors["0.input_scale"] * tensors["0.weight_scale"]
    constants |= {
        "sx": tensors["0.input_scale"], "zx": np.array(first["input_zero_point"], dtype),
        "v": tensors["0.weight"].astype(np.float32) * tensors["0.weight_scale"],
        "c": tensors["0.bias"].astype(np.float32) * factor}
    nodes = [("d = DequantizeLinear(x, sx, zx)", {}),
             ("t = ConvTranspose(d, v, c)", {"strides": [2, 3], "pads": [1, 0, 2, 1],
                                             "output_padding": [1, 0], "group": INPUTS}),
             ("m = QuantizeLinear(t, sm, zm)", {}), node]
    result = forward(spec, tensors, x)
    assert len(np.unique(result)) > 50, "the layer saturates"
    np.testing.assert_array_equal(result, run_onnx(nodes, x[None].astype(dtype), constants)[0])


@pytest.mark.parametrize("dtype", ("uint8", "int8"))
@pytest.mark.parametrize("seed", range(3))
def test_bilinear_equals_onnx_runtime(dtype, seed):
    spec, tensors, x = bilinear(dtype, seed)
    node, constants = convolution(spec["stages"][1], tensors)
    resize = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    nodes = [("d = DequantizeLinear(x, sm, zm)", {}), ("r = Resize(d, , scales)", resize),
             ("m = QuantizeLinear(r, sm, zm)", {}), node]
    result = forward(spec, tensors, x)
    assert len(np.unique(result)) > 50, "the layer saturates"
    np.testing.assert_array_equal(result, run_onnx(
        nodes, x[None].astype(dtype), constants | {"scales": np.float32([1, 1, 2, 4])})[0])


@pytest.mark.parametrize("where, changes, message", [
    (None, {"in_channels": 2}, "in_channels must be 3, that of the first stage, not 2"),
    (None, {"dtype": "int8"}, "dtype must be 'uint8', that of the first stage, not 'int8'"),
    (None, {"out_channels": 3}, "out_channels must be 4, that of the last stage, not 3"),
    (None, {"output_dtype": "int8"}, "output_dtype must be 'uint8', that of the last stage"),
    (None, {"output_zero_point": 3}, "output_zero_point must be 140, that of the last stage"),
    (1, {"dtype": "int8"}, "dtype must be 'uint8', that of the stage before, not 'int8'"),
    (1, {"input_zero_point": 3}, "input_zero_point must be 100, that of the stage before, not 3"),
    (1, {"in_channels": 2}, "in_channels must be 3, that of the stage before, not 2"),
    ("1.input_scale", 0.3, "input_scale must be .*, the output scale of the stage before, not 0.3"),
])
def test_bad_chain_is_named(where, changes, message):
    spec, tensors, x = separable("uint8")
    if where is None:
        spec |= changes
    elif where in tensors:
        tensors[where] = changes
    else:
        spec["stages"][where] |= changes
    with pytest.raises(ValueError, match=message):
        forward(spec, tensors, x)


def test_the_resize_passes_any_scale_through():
    spec, tensors, x = bilinear("uint8")
    result = forward(spec, tensors, x)
    tensors |= {"0.output_scale": np.float32(1)}
    np.testing.assert_array_equal(forward(spec, tensors, x), result)


def test_a_chain_of_one_is_the_engine():
    spec = separable("uint8")[0]["stages"][0]
    engine = EngineParameters(pi=1, po=2, px=1, requantisers=1, magnitude_bits=20, max_height=9)
    frames, how = [(5, 6), (9, 2)], {"gaps": [3, 0, 2] * 99, "ready": [1, 0, 0, 1], "start": 7}
    alone = simulate(spec, engine, frames, **how)
    chain = simulate_chain([Stage(spec=spec, engine=engine, frames=frames)], **how)
    for name in ("accepted", "emitted"):
        np.testing.assert_array_equal(getattr(chain, name), getattr(alone, name))
