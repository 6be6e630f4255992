"""Requantisation, tables and whole layers against exact fractions and ONNX Runtime."""

from fractions import Fraction
from itertools import product
from math import exp, floor, frexp, tanh

import numpy as np
import pytest
from onnx_runtime import run_onnx

from golden.model import accumulate, forward
from golden.quantisation import (
    activation_table,
    compact_multiplier,
    dtype_bits,
    dtype_range,
    requantise,
    requantise_scale,
)


def cases(*axes):
    return list(product(*axes))


def float32(value):
    """The nearest float32 of a Fraction, ties to even, in integers only."""
    if value == 0:
        return value
    bits = abs(value.numerator).bit_length() - value.denominator.bit_length()
    exponent = bits if Fraction(2)**bits <= abs(value) else bits - 1
    ulp = Fraction(2)**(max(exponent, -126) - 23)
    return round(value / ulp) * ulp


def accumulators_near_ties(seed, channels=32, samples=32, codes=140):
    """Accumulators over all of int32, most of them around the middle between two codes."""
    rng = np.random.default_rng(seed)
    scale = np.exp2(rng.uniform(-30, -1, channels)).astype(np.float32)
    scale[::4] = np.exp2(np.floor(np.log2(scale[::4])))
    middle = rng.integers(-codes, codes, (channels, samples)) + rng.choice([0, 0.5], samples)
    acc = np.rint(middle / scale[:, None].astype(np.float64)).astype(np.int64)
    acc += rng.integers(-1, 2, acc.shape)
    acc[:, 0], acc[:, 1] = -2**31, 2**31 - 1
    return np.clip(acc, -2**31, 2**31 - 1), scale


@pytest.mark.parametrize("seed, dtype", cases(range(4), ["uint8", "int8", "uint12", "int16"]))
def test_requantise_equals_exact_fractions(seed, dtype):
    low, high = dtype_range(dtype)
    acc, scale = accumulators_near_ties(seed, codes=(high - low) * 140 // 255)
    zero_point = int(np.random.default_rng(seed).integers(low, high + 1))
    result = requantise(acc, scale, zero_point, low, high)
    assert result.dtype == np.int64
    once = 0
    for (c, i), value in np.ndenumerate(acc):
        factor = Fraction(float(scale[c]))
        rounded = round(float32(float32(Fraction(int(value))) * factor))
        assert result[c, i] == min(max(rounded + zero_point, low), high), (value, scale[c])
        once += rounded != round(value * factor)
    assert once >= 5, "no accumulator distinguishes float32 from exact arithmetic"


@pytest.mark.parametrize("bits, more", [(1, 0), (2, 0), (8, 0), (12, 0), (16, 0), (24, 0), (31, 0),
                                        (12, 16), (24, 16), (31, 16)])
def test_compact_requantise_equals_exact_fractions(bits, more):
    """Also for sums of `more` bits than int32, whose products do not fit int64."""
    acc, scale = accumulators_near_ties(bits)
    acc, scale = acc << more, scale * np.float32(2.0**-more)
    multiplier, shift = compact_multiplier(scale, bits)
    result = requantise(acc, scale, 3, -100, 90, scheme="compact", bits=bits)
    for (c, i), value in np.ndenumerate(acc):
        exact = Fraction(int(value) * int(multiplier[c])) / Fraction(2)**int(shift[c])
        assert result[c, i] == min(max(round(exact) + 3, -100), 90), (value, scale[c])


@pytest.mark.parametrize("bits", range(1, 32))
def test_compact_multiplier_is_the_nearest(bits):
    rng = np.random.default_rng(bits)
    scale = np.exp2(rng.uniform(-40, 40, 200)).astype(np.float32)
    scale[:3] = np.float32(1 - 2**-24), np.float32(2**-149), np.float32(1.5)
    for value, multiplier, shift in zip(scale, *compact_multiplier(scale, bits)):
        assert 2**(bits - 1) <= multiplier < 2**bits
        fraction, exponent = frexp(float(value))
        whole = round(Fraction(fraction) * 2**bits)
        assert Fraction(int(multiplier)) * Fraction(2)**int(-shift) \
            == whole * Fraction(2)**(exponent - bits)
        if bits >= 24:
            assert multiplier * 2.0**-shift == value


def test_compact_multiplier_renormalises():
    multiplier, shift = compact_multiplier(np.float32([255.4, 255.5, 1 - 2**-24]), 8)
    assert multiplier.tolist() == [255, 128, 128] and shift.tolist() == [0, -1, 7]


@pytest.mark.parametrize("dtype, low, high", [
    ("uint4", 0, 15), ("int5", -16, 15), ("uint8", 0, 255), ("int8", -128, 127),
    ("uint16", 0, 65535), ("int16", -32768, 32767)])
def test_dtypes(dtype, low, high):
    assert dtype_range(dtype) == (low, high)
    assert 1 << dtype_bits(dtype) == high - low + 1


def test_table_of_few_codes():
    """The entries are those of the same codes in a wider table, clipped."""
    formats = {"pre_scale": 0.5, "pre_zero_point": -2, "output_scale": 0.25,
               "output_zero_point": -3}
    wide = activation_table("tanh", dtype="int8", **formats)
    for dtype, codes in ("int4", np.arange(-8, 8)), ("int7", np.arange(-64, 64)):
        table = activation_table("tanh", dtype=dtype, **formats)
        assert len(table) == len(codes)
        np.testing.assert_array_equal(table[codes & len(codes) - 1],
                                      np.clip(wide[codes & 0xFF], codes[0], codes[-1]))


def test_output_codes_of_another_dtype():
    spec, tensors, x = random_layer(2, "conv2d", "int8")
    wide = forward(spec | {"output_dtype": "int12"}, tensors, x)
    np.testing.assert_array_equal(np.clip(wide, -128, 127), forward(spec, tensors, x))
    assert np.ptp(wide) > 256
    tanh, tensors, x = random_layer(2, "conv2d", "int8", "tanh")
    with pytest.raises(ValueError, match="dtype of an activation table must have at most 8 bits"):
        forward(tanh | {"output_dtype": "int12"}, tensors, x)


def test_ties_go_to_even():
    acc = np.arange(-7, 8)[None]
    expected = [-4, -3, -2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2, 3, 4]
    for scheme in "onnxruntime", "compact":
        assert requantise(acc, [0.5], 0, -128, 127, scheme=scheme).tolist() == [expected]


def test_compact_shifts_both_ways():
    scale = np.float32([2**-100, 2**-62, 2**-63, 300, 2**20])
    acc = np.repeat([[-2**31, -3, 0, 1, 2**31 - 1]], 5, axis=0)
    result = requantise(acc, scale, 0, -2**30, 2**30, scheme="compact", bits=8)
    assert result.tolist() == [[0] * 5, [0] * 5, [0] * 5, [-2**30, -900, 0, 300, 2**30],
                               [-2**30, -3 * 2**20, 0, 2**20, 2**30]]
    # A product just within 2**62, divided by 2**63.
    below = np.nextafter(np.float32(2**-32), np.float32(0))
    assert requantise([-2**31, 2**31 - 1], below, 0, -9, 9, scheme="compact", bits=31
                      ).tolist() == [0, 0]


def test_scale_is_rounded_twice_in_order():
    rng = np.random.default_rng(1)
    sx, sw, sy = np.exp2(rng.uniform(-12, 2, (3, 300))).astype(np.float32)
    result = requantise_scale(sx, sw, sy)
    assert result.dtype == np.float32
    exact = [[Fraction(float(value)) for value in scales] for scales in (sx, sw, sy)]
    assert [Fraction(float(value)) for value in result] \
        == [float32(float32(a * b) / c) for a, b, c in zip(*exact)]
    assert (result != sx * (sw / sy)).sum() > 50
    assert requantise_scale(0.5, [1, 2], 4).tolist() == [0.125, 0.25]
    assert requantise_scale(0.5, 1, 4).shape == ()


@pytest.mark.parametrize("dtype, channels, peak", [
    ("uint8", 3, 2**31 - 2**20), ("int8", 3, 2**31 - 2**20), ("uint8", 1024, 2**12),
    ("int8", 1024, 2**12), ("uint8", 1024, 2**25)])
def test_requantise_equals_qlinearconv(dtype, channels, peak):
    """A 1 x 1 kernel, whose bias moves the accumulators over all of int32, ties included."""
    rng = np.random.default_rng(channels + peak)
    outputs, (low, high) = 512, dtype_range(dtype)
    x = rng.integers(low, high + 1, (channels, 4, 8))
    x[:, 0] = high
    weight = rng.integers(-128, 128, (outputs, channels))
    weight[0] = 127
    bias = rng.integers(-peak, peak, outputs)
    acc = np.tensordot(weight, x - low, 1) + bias[:, None, None]
    spread = np.abs(acc).max((1, 2))
    weight_scale = (rng.uniform(0.25, 2, outputs) * 100 / spread).astype(np.float32)
    weight_scale[::2] = np.exp2(np.rint(np.log2(weight_scale[::2])))
    zero_point = int(rng.integers(low, high + 1))
    constants = {"sx": np.float32(0.75), "zx": np.array(low, dtype), "sy": np.float32(0.75),
                 "w": weight[..., None, None].astype(np.int8), "sw": weight_scale,
                 "zw": np.zeros(outputs, np.int8), "zy": np.array(zero_point, dtype),
                 "b": bias.astype(np.int32)}
    expected = run_onnx([("y = QLinearConv(x, sx, zx, w, sw, zw, sy, zy, b)", {})],
                        x[None].astype(dtype), constants)
    scale = requantise_scale(0.75, weight_scale, 0.75)
    np.testing.assert_array_equal(requantise(acc, scale, zero_point, low, high), expected[0])
    assert (np.abs(acc) > 2**24).any()


def table_node(kind, parameters):
    operator = {"leaky_relu": "LeakyRelu", "prelu": "PRelu", "tanh": "Tanh", "sigmoid": "Sigmoid",
                "hard_sigmoid": "HardSigmoid", "relu": "Relu", "clamp": "Clip"}[kind]
    operands = {"prelu": "f, slope", "clamp": "f, low, high"}.get(kind, "f")
    return (f"g = {operator}({operands})",
            {} if kind == "clamp" else dict(zip(("alpha", "beta"), parameters)))


EXACT = {"tanh": tanh, "sigmoid": lambda v: 1 / (1 + exp(-v))}


@pytest.mark.parametrize("kind, dtype, seed", cases(
    ["leaky_relu", "prelu", "hard_sigmoid", "tanh", "sigmoid"], ["uint8", "int8"], range(24)))
def test_table_equals_onnx_runtime(kind, dtype, seed):
    """All codes. tanh and sigmoid, polynomials there, may differ by one right next to a tie."""
    rng = np.random.default_rng(seed)
    low, high = dtype_range(dtype)
    sx = np.float32(2.0**-4 if seed % 5 == 0 else np.exp2(rng.uniform(-8, -3)))
    common = [sx, 1 / 256, 1 / 255, 1 / 128, 1 / 127, 2.0**-6, *np.exp2(rng.uniform(-9, -4, 18))]
    sy = np.float32(common[seed])
    zx, zy = (int(value) for value in rng.integers(low, high + 1, 2))
    parameters = rng.uniform(0, 1, {"leaky_relu": 1, "hard_sigmoid": 2}.get(kind, 0)).tolist()
    options = dict(zip(("alpha", "beta"), parameters))
    constants = {"sx": sx, "zx": np.array(zx, dtype), "sy": sy, "zy": np.array(zy, dtype)}
    if kind == "prelu":
        options["slope"] = rng.uniform(-1, 1, 3).astype(np.float32)
        constants["slope"] = options["slope"][:, None, None]
    codes = np.arange(low, high + 1)
    x = np.tile(codes.astype(dtype), (1, 3, 1, 1))
    expected = run_onnx([("f = DequantizeLinear(x, sx, zx)", {}), table_node(kind, parameters),
                         ("y = QuantizeLinear(g, sy, zy)", {})], x, constants)[0, :, 0]

    table = activation_table(kind, pre_scale=sx, pre_zero_point=zx, output_scale=sy,
                             output_zero_point=zy, dtype=dtype, **options)
    assert table.dtype == np.int64 and table.shape == ((3, 256) if kind == "prelu" else (256,))
    result = np.broadcast_to(table, (3, 256))[:, codes & 0xFF]
    if kind in EXACT:
        for c, i in np.argwhere(result != expected):
            value = EXACT[kind](float(np.float32(codes[i] - zx) * sx)) / float(sy)
            assert abs(value - floor(value) - 0.5) < 1e-4
            assert {result[c, i] - zy, expected[c, i] - zy} == {floor(value), floor(value) + 1}
    else:
        np.testing.assert_array_equal(result, expected)


def test_table_defaults():
    common = {"pre_scale": 2**-5, "pre_zero_point": 0, "output_scale": 2**-7,
              "output_zero_point": 0, "dtype": "int8"}
    codes = np.arange(-128, 128)
    leaky = activation_table("leaky_relu", **common)[codes & 0xFF]
    assert leaky.tolist() == np.where(codes < 0, np.rint(codes * 0.04), np.minimum(codes * 4, 127)
                                      ).tolist()
    hard = activation_table("hard_sigmoid", **common)[codes & 0xFF]
    assert hard[[0, 128 - 80, 128, 128 + 20, 255]].tolist() == [0, 0, 64, 80, 127]


OPS, DTYPES = ("conv_transpose2d", "conv2d", "sub_pixel_conv2d"), ("uint8", "int8")
ACTIVATIONS = {"none": [], "relu": [], "clamp": [-1.3, 2.1], "leaky_relu": [0.2], "prelu": [],
               "tanh": [], "sigmoid": [], "hard_sigmoid": [0.3, 0.4]}


def random_layer(seed, op, dtype, activation="none", *, binary=False, per_channel=True, **fields):
    """A layer of the given operator; with ``binary``, all its scales are powers of two."""
    rng = np.random.default_rng([seed, OPS.index(op), *activation.encode()])
    low, high = dtype_range(dtype)
    groups, inputs, outputs = (1, 5, 3) if seed % 2 else (2, 4, 6)
    kernel, dilation = rng.integers(2, 6, 2).tolist(), rng.integers(1, 3, 2).tolist()
    spec = {"op": op, "in_channels": inputs, "out_channels": outputs, "kernel_size": kernel,
            "padding": rng.integers(0, 3, (2, 2)).tolist(), "dilation": dilation,
            "groups": groups, "dtype": dtype, "input_zero_point": int(rng.integers(low, high + 1)),
            "output_zero_point": int(low + rng.integers(10, 60)),
            "requant": "onnxruntime", "activation": activation,
            "activation_parameters": ACTIVATIONS[activation], **fields}
    convolved = outputs
    if op == "conv_transpose2d":
        stride = rng.integers(1, 4, 2)
        spec |= {"stride": stride.tolist(), "output_padding": rng.integers(0, stride).tolist()}
    elif op == "conv2d" and seed % 4:
        spec["stride"] = rng.integers(1, 4, 2).tolist()
    elif op == "sub_pixel_conv2d":
        spec |= {"upscale_factor": 2 + seed % 2, "order": "CRD" if seed % 4 < 2 else "DCR"}
        convolved *= spec["upscale_factor"]**2
    shape = (inputs, outputs // groups) if op == "conv_transpose2d" else (convolved,
                                                                          inputs // groups)

    def scale(center, *size):
        exponent = np.log2(center) + rng.uniform(-0.6, 0.6, size)
        return np.exp2(np.rint(exponent) if binary else exponent).astype(np.float32)

    final = {"tanh": 1 / 128, "sigmoid": 1 / 256, "hard_sigmoid": 1 / 256}.get(activation, 1 / 32)
    tensors = {"weight": rng.integers(-127, 128, (*shape, *kernel)),
               "bias": rng.integers(-2**14, 2**14, convolved),
               "input_scale": scale(1 / 64), "output_scale": scale(final),
               "weight_scale": scale(1 / 512, *(convolved,) * per_channel),
               "pre_scale": scale(1 / 32), "pre_zero_point": int(low + rng.integers(60, 190)),
               "slope": rng.uniform(-1, 1, outputs).astype(np.float32)}
    size = (22, 24) if op == "conv2d" else (11, 12)
    return spec, tensors, rng.integers(low, high + 1, (inputs, *size))


def run_layer(spec, tensors, x):
    """The layer as ONNX Runtime computes it: QLinearConv, or ConvTranspose between DQ and Q."""
    dtype, activation = spec["dtype"], spec["activation"]
    table = activation not in ("none", "relu", "clamp")
    (top, bottom), (left, right) = spec["padding"]
    attributes = {"dilations": spec["dilation"], "group": spec["groups"],
                  "pads": [top, left, bottom, right], "strides": spec.get("stride", [1, 1])}
    scale = tensors["pre_scale" if table else "output_scale"]
    zero_point = tensors["pre_zero_point"] if table else spec["output_zero_point"]
    constants = {
        "sx": tensors["input_scale"], "zx": np.array(spec["input_zero_point"], dtype),
        "w": tensors["weight"].astype(np.int8), "sw": tensors["weight_scale"],
        "zw": np.zeros_like(tensors["weight_scale"], np.int8), "sp": scale,
        "zp": np.array(zero_point, dtype), "sy": tensors["output_scale"],
        "zy": np.array(spec["output_zero_point"], dtype), "slope": tensors["slope"][:, None, None]}
    if activation == "clamp":
        constants["low"], constants["high"] = np.float32(spec["activation_parameters"])
    if spec["op"] == "conv_transpose2d":
        factor = (tensors["input_scale"] * tensors["weight_scale"]).astype(np.float32)
        constants["b"] = tensors["bias"].astype(np.float32) * factor
        attributes["output_padding"] = spec["output_padding"]
        # No axis of these weights tells the output channels of all groups, hence no node for it.
        per_output = np.broadcast_to(tensors["weight_scale"], tensors["bias"].shape)
        per_group = per_output.reshape(spec["groups"], -1, 1, 1)
        constants["v"] = (tensors["weight"].astype(np.float32) * np.repeat(
            per_group, spec["in_channels"] // spec["groups"], axis=0))
        nodes = [("d = DequantizeLinear(x, sx, zx)", {}),
                 ("c = ConvTranspose(d, v, b)", attributes),
                 ("p = QuantizeLinear(c, sp, zp)", {})]
    else:
        constants["b"] = tensors["bias"].astype(np.int32)
        nodes = [("p = QLinearConv(x, sx, zx, w, sw, zw, sp, zp, b)", attributes)]
    if spec["op"] == "sub_pixel_conv2d":
        nodes = [(nodes[0][0].replace("p =", "s ="), attributes),
                 ("p = DepthToSpace(s)", {"blocksize": spec["upscale_factor"],
                                          "mode": spec["order"]})]
    if activation != "none":
        nodes += [("f = DequantizeLinear(p, sp, zp)", {}),
                  table_node(activation, spec["activation_parameters"]),
                  ("y = QuantizeLinear(g, sy, zy)", {})]
    return run_onnx(nodes, x[None].astype(dtype), constants)[0]


@pytest.mark.parametrize("op, dtype, activation, seed",
                         cases(OPS, DTYPES, ACTIVATIONS, range(4)))
def test_layer_equals_onnx_runtime(op, dtype, activation, seed):
    """Exact with any scales for QLinearConv, and with powers of two for the float ConvTranspose."""
    spec, tensors, x = random_layer(seed, op, dtype, activation, per_channel=seed != 2,
                                    binary=op == "conv_transpose2d")
    result = forward(spec, tensors, x)
    assert result.dtype == np.int64
    assert len(np.unique(result)) > 20, "the layer saturates"
    np.testing.assert_array_equal(result, run_layer(spec, tensors, x))


@pytest.mark.parametrize("dtype, seed", cases(DTYPES, range(12)))
def test_transposed_layer_is_close_to_the_float_operator(dtype, seed):
    spec, tensors, x = random_layer(seed, "conv_transpose2d", dtype)
    result, expected = forward(spec, tensors, x), run_layer(spec, tensors, x)
    scale = requantise_scale(tensors["input_scale"], tensors["weight_scale"],
                             tensors["output_scale"])[:, None, None]
    tie = np.abs(accumulate(spec, tensors, x) * scale.astype(np.float64) % 1 - 0.5) < 1e-4
    np.testing.assert_array_equal(result[~tie], expected[~tie])
    assert np.abs(result - expected).max() <= 1
    assert tie.mean() < 0.01


@pytest.mark.parametrize("op, bits", cases(OPS, [10, 24]))
def test_compact_layer(op, bits):
    spec, tensors, x = random_layer(bits, op, "int8", per_channel=False, requant="compact",
                                    multiplier_bits=bits)
    scale = requantise_scale(*(tensors[name] for name in ("input_scale", "weight_scale",
                                                          "output_scale")))
    multiplier, shift = (int(value) for value in compact_multiplier(scale, bits))
    zero_point = spec["output_zero_point"]
    expected = [min(max(round(Fraction(int(acc) * multiplier, 2**shift)) + zero_point, -128), 127)
                for acc in accumulate(spec, tensors, x).flat]
    assert forward(spec, tensors, x).ravel().tolist() == expected


def test_absent_neighbours_are_the_zero_point():
    spec, tensors, x = random_layer(1, "conv_transpose2d", "uint8")
    del tensors["bias"]
    x[:] = spec["input_zero_point"]
    assert not accumulate(spec, tensors, x).any()
    assert (forward(spec, tensors, x) == spec["output_zero_point"]).all()


@pytest.mark.parametrize("high", (2**47 - 1, -2**47))
def test_accumulators_fit_48_bits(high):
    spec, tensors, _ = random_layer(1, "conv2d", "uint16")
    # 2**15 * 2**30 * 4, and the bias
    spec |= {"in_channels": 4, "out_channels": 1, "kernel_size": [1, 1], "groups": 1,
             "padding": [[0, 0], [0, 0]], "input_zero_point": 2**15}
    sign = 1 if high > 0 else -1
    tensors |= {"weight": np.full((1, 4, 1, 1), -sign * 2**30), "bias": np.array([min(0, sign)])}
    tensors["weight_scale"] = np.float32(2**-40)
    x = np.zeros((4, 1, 1), int)
    with pytest.raises(ValueError, match="accumulators must fit 48 bits, not reach from"):
        accumulate(spec, tensors, x)
    tensors["bias"] = np.array([-1 if sign > 0 else 0])
    assert accumulate(spec, tensors, x).item() == high
    forward(spec, tensors, x)


def test_bias_fits_int32():
    spec, tensors, x = random_layer(1, "conv2d", "int8")
    tensors["bias"][0] = 2**31
    with pytest.raises(ValueError, match="bias must fit int32, not reach from .* to 2147483648"):
        accumulate(spec, tensors, x)


def requantise_by(*, acc=((1, 2), (3, 4)), scale=0.5, zero_point=0, low=0, high=255, **options):
    return requantise(acc, scale, zero_point, low, high, **options)


def table_by(kind="tanh", **changes):
    return activation_table(kind, **{"pre_scale": 1, "pre_zero_point": 0, "output_scale": 1,
                                     "output_zero_point": 0, "dtype": "int8"} | changes)


@pytest.mark.parametrize("function, changes, message", [
    (requantise_by, {"acc": 3}, "acc must be an array of integers"),
    (requantise_by, {"acc": [1.5]}, "acc must be an array of integers .* not dtype float64"),
    (requantise_by, {"scale": [1, 2, 3]}, r"scale must have shape \(\) or \(2,\), not \(3,\)"),
    (requantise_by, {"scale": [1, 0]}, r"scale must be positive in float32, not \[1, 0\]"),
    (requantise_by, {"scale": 1e39}, "scale must be finite in float32, not 1e\\+39"),
    (requantise_by, {"scale": 1e-46}, "scale must be positive in float32, not 1e-46"),
    (requantise_by, {"zero_point": 0.5}, "zero_point must be an integer, not 0.5"),
    (requantise_by, {"low": 9, "high": 8}, "low must not exceed high=8, not be 9"),
    (requantise_by, {"scheme": "tflite"}, "scheme must be 'onnxruntime', 'compact'"),
    (requantise_by, {"scheme": "compact", "bits": 0}, "bits must be from 1 to 31, not 0"),
    (requantise_by, {"scheme": "compact", "bits": 32}, "bits must be from 1 to 31, not 32"),
    (requantise_by, {"scheme": "tflite-reference", "acc": [2**31]}, "acc must fit int32 for the"),
    (requantise_by, {"scheme": "tflite-reference", "scale": -1}, "must be positive in float64"),
    (table_by, {"kind": "relu6"}, "kind must be one of .*, not 'relu6'"),
    (table_by, {"dtype": "int3"}, "dtype must be one of uint4 to uint16 and int4 to int16, not"),
    (table_by, {"dtype": "int9"}, "dtype of an activation table must have at most 8 bits, not"),
    (table_by, {"pre_scale": -1}, "pre_scale must be positive in float32, not -1"),
    (table_by, {"output_scale": float("nan")}, "output_scale must be finite in float32"),
    (table_by, {"pre_zero_point": 128}, "pre_zero_point must be from -128 to 127, not 128"),
    (table_by, {"output_zero_point": 1.0}, "output_zero_point must be an integer, not 1.0"),
    (table_by, {"kind": "prelu"}, "slope must be finite in float32, not None"),
    (table_by, {"kind": "prelu", "slope": 0.5}, r"slope must have shape \(C,\), not \(\)"),
    (table_by, {"kind": "leaky_relu", "alpha": float("inf")}, "alpha must be finite"),
])
def test_bad_quantisation_is_named(function, changes, message):
    with pytest.raises(ValueError, match=message):
        function(**changes)


@pytest.mark.parametrize("scales", [(1e30, 1e30, 1), (1e-30, 1e-30, 1), (1e30, 1, 1e-30)])
def test_bad_scale_products_are_named(scales):
    with pytest.raises(ValueError, match="input_scale \\* weight_scale / output_scale must be"):
        requantise_scale(*scales)


@pytest.mark.parametrize("changes, message", [
    ({"op": "conv3d"}, "op must be one of conv_transpose2d, .*, not 'conv3d'"),
    ({"op": "conv2d", "output_padding": [1, 0]}, "must be .*as conv2d has no other"),
    ({"op": "conv2d", "stride": [1, 0], "output_padding": [0, 0]}, r"stride\[1\] must be at least"),
    ({"op": "sub_pixel_conv2d", "stride": [2, 1]}, "must be .*as sub_pixel_conv2d has no other"),
    ({"stride": None}, "stride must be given in spec, which has .*'padding'"),
    ({"dtype": "int17"}, "dtype must be one of uint4 to uint16 and int4 to int16, not 'int17'"),
    ({"output_dtype": 8}, "output_dtype must be one of uint4 to uint16 and int4 to int16, not 8"),
    ({"in_channels": 4}, "in_channels must be 5, the channels of x, not 4"),
    ({"out_channels": 4}, "out_channels must be 3, the output channels of weight, not 4"),
    ({"kernel_size": [7, 7]}, r"kernel_size must be \[.*\], the kernel of weight, not \[7, 7\]"),
    ({"input_zero_point": 128}, "input_zero_point must be from -128 to 127, not 128"),
    ({"output_zero_point": None}, "output_zero_point must be given in spec"),
    ({"requant": "exact"}, "scheme must be 'onnxruntime', 'compact' or .*, not 'exact'"),
    ({"requant": "compact"}, "multiplier_bits must be given in spec"),
    ({"activation": "swish"}, "activation must be one of none, relu, .*, not 'swish'"),
    ({"activation": "clamp"}, "activation_parameters of clamp must be 2 numbers, not ()"),
    ({"activation": "clamp", "activation_parameters": [2, 1]}, "with low <= high"),
    ({"activation_parameters": [1]}, "activation_parameters of none must be 0 numbers"),
])
def test_bad_layer_is_named(changes, message):
    spec, tensors, x = random_layer(1, "conv_transpose2d", "int8")
    with pytest.raises(ValueError, match=message):
        forward(spec | changes, tensors, x)


@pytest.mark.parametrize("changes, message", [
    ({"weight": None}, "weight must be given in tensors, which has"),
    ({"output_scale": None}, "output_scale must be given in tensors"),
    ({"slope": None}, "slope must be given in tensors"),
    ({"slope": [0.5, 1]}, r"slope must be \(3,\), one slope per output channel, not \(2,\)"),
    ({"pre_scale": None}, "pre_scale must be given in tensors"),
    ({"pre_zero_point": 200}, "pre_zero_point must be from -128 to 127, not 200"),
    ({"x": [[[128]]]}, "x must hold codes of int8, -128 to 127, not 128 to 128"),
    ({"x": [[[0.5]]]}, "x must be a non-empty integer array"),
])
def test_bad_tensors_are_named(changes, message):
    spec, tensors, x = random_layer(1, "conv_transpose2d", "int8", "prelu")
    tensors |= changes
    with pytest.raises(ValueError, match=message):
        forward(spec, tensors, tensors.get("x", x))
