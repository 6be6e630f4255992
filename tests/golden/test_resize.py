"""Resizes against exact fractions, PyTorch, ONNX Runtime and the reference of ONNX."""

from fractions import Fraction
from itertools import product
from math import ceil, floor

import numpy as np
import pytest
from onnx_runtime import run_onnx

from golden.model import accumulate, forward
from golden.quantisation import dtype_range
from golden.resize import denominator, divide, resize2d, resize_conv2d

MODES, COORDINATES = ("nearest", "bilinear"), ("half_pixel", "asymmetric", "align_corners")
SHAPES = [(3, 5), (1, 4), (4, 1), (1, 1), (2, 3)]
FACTORS = [(2, 2), (3, 3), (4, 4), (5, 5), (1, 2), (2, 1), (3, 4), (5, 2), (7, 1), (8, 6)]


def cases(*axes):
    return list(product(*axes))


def random_image(seed, size, channels=2, low=-255, high=255):
    return np.random.default_rng(seed).integers(low, high + 1, (channels, *size))


def output_size(size, factors, coordinates):
    return [s * (n - 1) + 1 if coordinates == "align_corners" else s * n
            for n, s in zip(size, factors)]


def torch_resize(x, factors, mode, coordinates):
    """``torch.nn.functional.interpolate`` in float64."""
    torch = pytest.importorskip("torch")
    options = {} if mode == "nearest" else {"align_corners": coordinates == "align_corners"}
    return torch.nn.functional.interpolate(
        torch.from_numpy(x.astype(np.float64))[None], mode=mode, **options,
        size=output_size(x.shape[1:], factors, coordinates))[0].numpy()


def resize_node(size, factors, mode, coordinates, output="y", source="x"):
    """The operator Resize, by scales or by sizes, for ``run_onnx``, and its constant."""
    attributes = {"mode": "linear" if mode == "bilinear" else mode,
                  "coordinate_transformation_mode": coordinates,
                  "nearest_mode": "round_prefer_floor" if coordinates == "half_pixel" else "floor"}
    if coordinates == "align_corners":
        sizes = np.array([1, 2, *output_size(size, factors, coordinates)], np.int64)
        return (f"{output} = Resize({source}, , , sizes)", attributes), {"sizes": sizes}
    return ((f"{output} = Resize({source}, , scales)", attributes),
            {"scales": np.float32([1, 1, *factors])})


def position(o, length, factor, coordinates):
    """Position in the input, as ONNX gives it, in terms of the lengths."""
    if coordinates == "half_pixel":
        return (o + Fraction(1, 2)) / factor - Fraction(1, 2)
    if coordinates == "asymmetric":
        return Fraction(o, factor)
    resized = factor * (length - 1) + 1
    return Fraction(o * (length - 1), resized - 1) if resized > 1 else Fraction(0)


def by_definition(x, mode, factors, coordinates):
    """Pixels as fractions, each by itself."""
    size = x.shape[1:]
    result = np.empty((x.shape[0], *output_size(size, factors, coordinates)), object)
    for channel, *place in np.ndindex(*result.shape):
        axes = []
        for o, length, factor in zip(place, size, factors):
            where = position(o, length, factor, coordinates)
            if mode == "nearest":
                half_down = ceil(where - Fraction(1, 2))
                taps = [(half_down if coordinates == "half_pixel" else floor(where), 1)]
            else:
                taps = [(floor(where), 1 - where % 1), (floor(where) + 1, where % 1)]
            axes.append([(min(max(index, 0), length - 1), weight) for index, weight in taps])
        result[channel, *place] = sum(v * h * int(x[channel, row, column])
                                      for (row, v), (column, h) in product(*axes))
    return result


@pytest.mark.parametrize("mode, coordinates, factors", cases(MODES, COORDINATES, FACTORS))
def test_resize2d_equals_its_definition(mode, coordinates, factors):
    options = {"mode": mode, "scale_factor": factors, "coordinates": coordinates}
    total = denominator(**options)
    for seed, size in enumerate(SHAPES):
        x = random_image(seed, size)
        result = resize2d(x, **options)
        assert result.dtype == np.int64
        expected = by_definition(x, mode, factors, coordinates)
        np.testing.assert_array_equal(result, total * expected)
        np.testing.assert_array_equal(divide(result, total), np.vectorize(round)(expected))


def test_denominators():
    assert denominator("nearest", (3, 5), "half_pixel") == 1
    assert denominator("bilinear", (2, 3), "half_pixel") == 4 * 6
    assert denominator("bilinear", (2, 3), "asymmetric") == 2 * 3
    assert denominator("bilinear", [4, 4], "align_corners") == 4 * 4


@pytest.mark.parametrize("coordinates, factors", cases(COORDINATES, FACTORS))
def test_nearest_repeats_each_pixel(coordinates, factors):
    """For whole factors all coordinates have output pixel ``o`` from input pixel ``o // S``."""
    x = random_image(0, (4, 3))
    height, width = output_size((4, 3), factors, coordinates)
    expected = x.repeat(factors[0], 1).repeat(factors[1], 2)[:, :height, :width]
    result = resize2d(x, mode="nearest", scale_factor=factors, coordinates=coordinates)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("mode, coordinates, factors", [
    case for case in cases(MODES, COORDINATES, FACTORS)
    if case[:2] not in [("bilinear", "asymmetric"), ("nearest", "align_corners")]])
def test_resize2d_equals_torch(mode, coordinates, factors):
    options = {"mode": mode, "scale_factor": factors, "coordinates": coordinates}
    total = denominator(**options)
    for seed, size in enumerate(SHAPES):
        x = random_image(seed, size)
        result, expected = resize2d(x, **options), torch_resize(x, factors, mode, coordinates)
        np.testing.assert_allclose(result / total, expected, rtol=0, atol=1e-9)
        clear = np.abs(np.abs(expected) % 1 - 0.5) > 1e-9
        np.testing.assert_array_equal(divide(result, total)[clear], np.rint(expected)[clear])


@pytest.mark.parametrize("mode, coordinates, factors",
                         cases(MODES, COORDINATES, [(2, 2), (3, 4), (1, 5)]))
def test_resize2d_equals_the_reference_of_onnx(mode, coordinates, factors):
    helper = pytest.importorskip("onnx.helper")
    reference = pytest.importorskip("onnx.reference")
    onnx = pytest.importorskip("onnx")
    for seed, size in enumerate([(2, 3), (1, 4), (1, 1)]):
        x = random_image(seed, size)
        (text, attributes), constants = resize_node(size, factors, mode, coordinates)
        inputs = text[len("y = Resize("):-1].split(", ")
        graph = helper.make_graph(
            [helper.make_node("Resize", inputs, ["y"], **attributes)], "graph",
            [helper.make_tensor_value_info("x", onnx.TensorProto.DOUBLE, [1, *x.shape])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, None)],
            [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
        expected, = reference.ReferenceEvaluator(model).run(
            None, {"x": x[None].astype(np.float64)})
        options = {"mode": mode, "scale_factor": factors, "coordinates": coordinates}
        result = resize2d(x, **options)
        np.testing.assert_allclose(result / denominator(**options), expected[0], rtol=0, atol=1e-9)


def resize_layer(dtype, zero_point, mode, factors, coordinates):
    return {"op": "resize2d", "in_channels": 2, "out_channels": 2, "mode": mode,
            "scale_factor": list(factors), "coordinates": coordinates, "dtype": dtype,
            "input_zero_point": zero_point}


@pytest.mark.parametrize("dtype, coordinates, factors",
                         cases(["uint8", "int8"], COORDINATES, FACTORS))
def test_nearest_layer_equals_onnx_runtime(dtype, coordinates, factors):
    """Resize of the codes themselves."""
    for seed, size in enumerate(SHAPES):
        x = random_image(seed, size, 2, *dtype_range(dtype))
        node, constants = resize_node(size, factors, "nearest", coordinates)
        expected = run_onnx([node], x[None].astype(dtype), constants)[0]
        spec = resize_layer(dtype, 3, "nearest", factors, coordinates)
        np.testing.assert_array_equal(forward(spec, {}, x), expected)


@pytest.mark.parametrize("dtype, coordinates, factors",
                         cases(["uint8", "int8"], COORDINATES, FACTORS))
def test_bilinear_layer_equals_onnx_runtime(dtype, coordinates, factors):
    """Resize of real values. Where they are no binary fractions there, ties may go either way."""
    ties = 0
    for seed, size in enumerate(SHAPES):
        low, high = dtype_range(dtype)
        x = random_image(seed, size, 2, low, high)
        zero_point = low + 21 + seed
        node, constants = resize_node(size, factors, "bilinear", coordinates, "r", "d")
        constants |= {"s": np.float32(2**-5), "z": np.array(zero_point, dtype)}
        expected = run_onnx([("d = DequantizeLinear(x, s, z)", {}), node,
                             ("y = QuantizeLinear(r, s, z)", {})], x[None].astype(dtype),
                            constants)[0]
        spec = resize_layer(dtype, zero_point, "bilinear", factors, coordinates)
        result, total = forward(spec, {}, x), denominator("bilinear", factors, coordinates)
        assert result.dtype == np.int64
        tie = 2 * (accumulate(spec, {}, x) % total) == total
        exact = not total & (total - 1) and coordinates != "align_corners"
        compared = np.full(tie.shape, True) if exact else ~tie
        np.testing.assert_array_equal(result[compared], expected[compared])
        assert np.abs(result - expected).max() <= 1
        ties += tie.sum()
    assert ties or factors[0] % 2 and factors[1] % 2


def test_ties_go_to_even_counted_from_the_zero_point():
    """As QuantizeLinear rounds before it adds the zero point: 1.5 of zero point 1 is 0.5, to 0."""
    spec = resize_layer("uint8", 1, "bilinear", (1, 2), "asymmetric") | {"in_channels": 1,
                                                                       "out_channels": 1}
    assert forward(spec, {}, [[[1, 2, 3]]]).tolist() == [[[1, 1, 2, 3, 3, 3]]]
    assert forward(spec | {"input_zero_point": 0}, {}, [[[1, 2, 3]]]).tolist() \
        == [[[1, 2, 2, 2, 3, 3]]]


def test_onnx_node_cases():
    """test_resize_upsample_scales_nearest and test_resize_upsample_scales_linear."""
    x = [[[1, 2], [3, 4]]]
    assert resize2d(x, mode="nearest", scale_factor=(2, 3), coordinates="half_pixel").tolist() \
        == [[[1, 1, 1, 2, 2, 2]] * 2 + [[3, 3, 3, 4, 4, 4]] * 2]
    linear = resize2d(x, mode="bilinear", scale_factor=(2, 2), coordinates="half_pixel") / 16
    assert linear.tolist() == [[[1.0, 1.25, 1.75, 2.0], [1.5, 1.75, 2.25, 2.5],
                                [2.5, 2.75, 3.25, 3.5], [3.0, 3.25, 3.75, 4.0]]]


def test_divide_rounds_half_to_even():
    values = np.arange(-60, 61)
    for divisor in range(1, 13):
        assert divide(values, divisor).tolist() == [round(Fraction(int(value), divisor))
                                                    for value in values]
    assert divide(np.array([2**62 + 1, -2**63]), 2).tolist() == [2**61, -2**62]


BINARY = [("half_pixel", (2, 2)), ("half_pixel", (4, 1)), ("asymmetric", (4, 2)),
          ("align_corners", (2, 8)), ("half_pixel", (8, 4))]


def random_resize_conv(seed, mode, coordinates, factors):
    """Operands and options of a resize and a convolution with groups and dilation."""
    rng = np.random.default_rng(seed)
    groups, dilation = 1 + seed % 2, rng.integers(1, 3, 2).tolist()
    kernel = rng.integers(1, 4, 2).tolist()
    padding = rng.integers(0, 3, (2, 2)) * (mode == "nearest")
    options = {"mode": mode, "scale_factor": list(factors), "coordinates": coordinates,
               "padding": padding.tolist(), "dilation": dilation, "groups": groups}
    return (rng.integers(-128, 128, (2 * groups, 6, 7)),
            rng.integers(-128, 128, (3 * groups, 2, *kernel)),
            rng.integers(-2**20, 2**20, 3 * groups) if seed % 3 else None, options)


@pytest.mark.parametrize("mode, coordinates, factors, seed", cases(
    ["nearest"], COORDINATES[:2], FACTORS, range(2)) + [
    ("bilinear", *case, seed) for case, seed in product(
        [case for case in BINARY if case[0] != "asymmetric"], range(4))])
def test_resize_conv2d_equals_torch(mode, coordinates, factors, seed):
    """Binary fractions are exact in float64, so that the whole is a convolution of integers."""
    x, weight, bias, options = random_resize_conv(seed, mode, coordinates, factors)
    torch = pytest.importorskip("torch")
    enlarged = torch_resize(x, factors, mode, coordinates) * denominator(mode, factors,
                                                                         coordinates)
    np.testing.assert_array_equal(enlarged, np.rint(enlarged))
    (top, bottom), (left, right) = options["padding"]
    padded = np.pad(enlarged.astype(np.int64), ((0, 0), (top, bottom), (left, right)))
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(padded)[None], torch.from_numpy(weight),
        None if bias is None else torch.from_numpy(bias), dilation=options["dilation"],
        groups=options["groups"])[0].numpy()
    result = resize_conv2d(x, weight, bias, **options)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype, mode, coordinates, factors", [
    (dtype, mode, *case) for dtype, mode, case in product(["uint8", "int8"], MODES, BINARY)])
def test_resize_conv_layer_equals_onnx_runtime(dtype, mode, coordinates, factors):
    """Resize and QLinearConv of codes; bilinear in float32, where powers of two are exact."""
    seed = factors[1]
    rng = np.random.default_rng(seed)
    low, high = dtype_range(dtype)
    _, weight, _, options = random_resize_conv(2 * seed, mode, coordinates, factors)
    x = rng.integers(low, high + 1, (2, 6, 7))
    zero_points = {"input_zero_point": low + 100, "output_zero_point": low + 140}
    spec = {"op": "resize_conv2d", "in_channels": 2, "out_channels": 3, "dtype": dtype,
            "kernel_size": list(weight.shape[2:]), **options, **zero_points,
            "requant": "onnxruntime", "activation": "none"}
    weight_scale = rng.uniform(2**-9, 2**-8, 3).astype(np.float32)
    if mode == "bilinear":
        weight_scale = np.exp2(np.floor(np.log2(weight_scale)) + [0, 1, 0]).astype(np.float32)
    total = denominator(mode, factors, coordinates)
    tensors = {"weight": weight, "bias": rng.integers(-2**12, 2**12, 3) * total,
               "weight_scale": weight_scale, "input_scale": np.float32(2**-3),
               "output_scale": np.float32(2**-2)}

    (top, bottom), (left, right) = options["padding"]
    attributes = {"dilations": options["dilation"], "pads": [top, left, bottom, right]}
    constants = {"sx": tensors["input_scale"], "sy": tensors["output_scale"], "sw": weight_scale,
                 "zx": np.array(low + 100, dtype), "zy": np.array(low + 140, dtype)}
    resize, sizes = resize_node((6, 7), factors, mode, coordinates, "r",
                                "x" if mode == "nearest" else "d")
    constants |= sizes
    if mode == "nearest":
        nodes = [resize, ("y = QLinearConv(r, sx, zx, w, sw, zw, sy, zy, b)", attributes)]
        constants |= {"w": weight.astype(np.int8), "zw": np.zeros(3, np.int8),
                      "b": tensors["bias"].astype(np.int32)}
    else:
        nodes = [("d = DequantizeLinear(x, sx, zx)", {}), resize,
                 ("c = Conv(r, v, b)", attributes), ("y = QuantizeLinear(c, sy, zy)", {})]
        scale = weight_scale[:, None, None, None]
        constants |= {"v": weight.astype(np.float32) * scale, "b": np.float32(
            tensors["bias"] / total * tensors["input_scale"] * weight_scale)}
    expected = run_onnx(nodes, x[None].astype(dtype), constants)[0]
    result = forward(spec, tensors, x)
    assert len(np.unique(result)) > 20, "the layer saturates"
    np.testing.assert_array_equal(result, expected)


X, W = np.ones((2, 3, 4), int), np.ones((2, 2, 2, 2), int)
GOOD = {"mode": "bilinear", "scale_factor": (2, 2), "coordinates": "half_pixel"}


@pytest.mark.parametrize("changes, message", [
    ({"mode": "linear"}, "mode must be 'nearest' or 'bilinear', not 'linear'"),
    ({"mode": "cubic"}, "mode must be 'nearest' or 'bilinear', not 'cubic'"),
    ({"coordinates": "pytorch"}, "coordinates must be 'half_pixel', .*, not 'pytorch'"),
    ({"scale_factor": 2}, "scale_factor must be a pair"),
    ({"scale_factor": (2, 0)}, r"scale_factor\[1\] must be at least 1, not 0"),
    ({"scale_factor": (1.5, 2)}, r"scale_factor\[0\] must be an integer, not 1.5"),
    ({"x": X[0]}, r"x must have 3 non-empty axes, not shape \(3, 4\)"),
    ({"x": X * 0.5}, "x must hold integers that fit int64, not dtype float64"),
    ({"x": X << 60}, r"x must keep sums below 2\*\*63, not up to"),
])
def test_bad_resize_is_named(changes, message):
    arguments = {"x": X, **GOOD, **changes}
    with pytest.raises(ValueError, match=message):
        resize2d(**arguments)
    with pytest.raises(ValueError, match=message):
        resize_conv2d(**arguments, weight=W)


@pytest.mark.parametrize("changes, message", [
    ({"padding": ((0, 1), (0, 0))}, "padding must be 0 where mode is bilinear, not "),
    ({"scale_factor": (2, 3)}, r"over a power of two, not \(2, 3\) with half_pixel, which .* 24"),
    ({"dilation": (6, 1)}, "as large as the dilated kernel"),
    ({"groups": 2}, "x must have the 4 channels"),
])
def test_bad_resize_conv_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        resize_conv2d(X, W, **GOOD | changes)


def test_nearest_resize_conv_takes_any_factor_and_padding():
    options = {"mode": "nearest", "scale_factor": (3, 5), "padding": ((2, 0), (9, 1))}
    assert resize_conv2d(X, W, **GOOD | options).shape == (2, 10, 29)


@pytest.mark.parametrize("changes, message", [
    ({"mode": None}, "mode must be given in spec"),
    ({"scale_factor": None}, "scale_factor must be given in spec"),
    ({"coordinates": None}, "coordinates must be given in spec"),
    ({"out_channels": 3}, "out_channels must be 2, the channels of x, not 3"),
    ({"input_zero_point": None}, "input_zero_point must be given in spec"),
    ({"output_zero_point": 4}, "output_zero_point must be 3, as resize2d has no other, not 4"),
    ({"output_dtype": "int8"}, "output_dtype must be 'uint8', as resize2d has no other"),
    ({"activation": "relu"}, "activation must be 'none', as resize2d has no other, not 'relu'"),
])
def test_bad_resize_layer_is_named(changes, message):
    spec = resize_layer("uint8", 3, "bilinear", (2, 2), "half_pixel")
    with pytest.raises(ValueError, match=message):
        forward(spec | changes, {}, X)


def test_resize_conv_layer_has_stride_1():
    spec = resize_layer("uint8", 0, "nearest", (2, 2), "half_pixel") | {
        "op": "resize_conv2d", "kernel_size": [2, 2], "padding": [[0, 0], [0, 0]],
        "dilation": [1, 1], "groups": 1, "stride": [2, 2]}
    with pytest.raises(ValueError, match=r"stride must be \[1, 1\], as resize_conv2d has no other"):
        accumulate(spec, {"weight": W}, X)
    assert accumulate(spec | {"stride": [1, 1]}, {"weight": W}, X).shape == (2, 5, 7)
