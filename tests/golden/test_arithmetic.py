"""The integer convolutions against their definition spelled out and against PyTorch."""

import itertools

import numpy as np
import pytest

from golden.arithmetic import conv2d, conv_transpose2d, pixel_shuffle, sub_pixel_conv2d

NO_PADDING = ((0, 0), (0, 0))


def random_tensor(rng, *shape, peak=128):
    return rng.integers(-peak, peak, shape)


def random_transposed(seed):
    """Operands and options of a transposed convolution of a few thousand products."""
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    inputs, outputs = (groups * int(n) for n in rng.integers(1, 5, 2))
    if seed % 7 == 0:
        groups = inputs = outputs = int(rng.integers(2, 9))
    kernel, stride = rng.integers(1, 17, 2), rng.integers(1, 9, 2)
    dilation = rng.integers(1, 5, 2) if seed % 3 == 0 else np.ones(2, int)
    height, width = rng.integers(1, 9, 2)
    output_padding = [int(rng.integers(0, max(pair))) for pair in zip(stride, dilation)]
    full = [int(s * (n - 1) + d * (k - 1) + 1 + extra) for n, k, s, d, extra
            in zip((height, width), kernel, stride, dilation, output_padding)]
    crop = [rng.integers(0, (n + 1) // 2, 2).tolist() for n in full]
    if seed % 2:
        crop = [[before, before] for before, _ in crop]
    options = {"stride": stride.tolist(), "output_padding": output_padding, "groups": groups,
               "dilation": dilation.tolist(), "padding": crop}
    return (random_tensor(rng, inputs, height, width),
            random_tensor(rng, inputs, outputs // groups, *kernel),
            random_tensor(rng, outputs, peak=2**20) if seed % 4 else None, options)


def torch_transposed(x, weight, bias, *, stride, padding, output_padding, dilation, groups):
    torch = pytest.importorskip("torch")
    (top, bottom), (left, right) = padding
    native = top == bottom and left == right
    y = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x)[None], torch.from_numpy(weight),
        None if bias is None else torch.from_numpy(bias), stride=stride, dilation=dilation,
        groups=groups, output_padding=output_padding, padding=(top, left) if native else 0)
    y = y[0].numpy()
    return y if native else y[:, top:y.shape[1] - bottom, left:y.shape[2] - right]


@pytest.mark.parametrize("seed", range(240))
def test_conv_transpose2d_equals_torch(seed):
    x, weight, bias, options = random_transposed(seed)
    result = conv_transpose2d(x, weight, bias, **options)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, torch_transposed(x, weight, bias, **options))


def test_random_configurations_reach_the_corners():
    shapes = [(x.shape, weight.shape, options) for x, weight, _, options
              in map(random_transposed, range(240))]
    kernels = [weight[2:] for _, weight, _ in shapes]
    strides = [options["stride"] for *_, options in shapes]
    assert {n for kernel in kernels for n in kernel} == set(range(1, 17))
    assert {n for stride in strides for n in stride} == set(range(1, 9))
    assert sum(kernel[0] < stride[0] for kernel, stride in zip(kernels, strides)) >= 20
    assert sum(options["groups"] == x[0] > 1 for x, _, options in shapes) >= 30
    assert sum(max(options["dilation"]) > 1 for *_, options in shapes) >= 60
    assert sum(max(options["output_padding"]) > 0 for *_, options in shapes) >= 100
    assert sum(p[0][0] != p[0][1] for p in (options["padding"] for *_, options in shapes)) >= 80


@pytest.mark.parametrize("seed", range(40))
def test_conv_transpose2d_equals_its_definition(seed):
    rng = np.random.default_rng(seed)
    (height, width), kernel, (sh, sw), (dh, dw), extra = rng.integers(1, 4, (5, 2)).tolist()
    (top, bottom, left, right), groups = rng.integers(0, 3, 4).tolist(), 1 + seed % 2
    x = random_tensor(rng, 2 * groups, height, width)
    weight = random_tensor(rng, 2 * groups, 3, *kernel)
    bias = random_tensor(rng, 3 * groups)
    rows = (height - 1) * sh - top - bottom + dh * (kernel[0] - 1) + extra[0] + 1
    cols = (width - 1) * sw - left - right + dw * (kernel[1] - 1) + extra[1] + 1
    options = {"stride": (sh, sw), "padding": ((top, bottom), (left, right)), "groups": groups,
               "output_padding": extra, "dilation": (dh, dw)}
    if min(rows, cols) < 1:
        with pytest.raises(ValueError, match="padding must leave an output"):
            conv_transpose2d(x, weight, bias, **options)
        return

    expected = np.tile(bias[:, None, None], (1, rows, cols))
    for c, y, z, i, j in itertools.product(*map(range, (2 * groups, height, width, *kernel))):
        row, col = y * sh + i * dh - top, z * sw + j * dw - left
        if 0 <= row < rows and 0 <= col < cols:
            outputs = slice(3 * (c // 2), 3 * (c // 2) + 3)
            expected[outputs, row, col] += x[c, y, z] * weight[c, :, i, j]
    np.testing.assert_array_equal(conv_transpose2d(x, weight, bias, **options), expected)


def test_dcgan_layer_doubles_its_input():
    """ConvTranspose2d(64, 32, 4, stride=2, padding=1) makes 64 x 64 of 32 x 32.

    63 x 63 has been claimed for it, which would take a kernel of 3.
    """
    rng = np.random.default_rng(0)
    x, weight = random_tensor(rng, 64, 32, 32), random_tensor(rng, 64, 32, 4, 4)
    result = conv_transpose2d(x, weight, stride=(2, 2), padding=((1, 1), (1, 1)))
    assert result.shape == (32, 64, 64)
    assert conv_transpose2d(x, weight[..., :3, :3], stride=(2, 2),
                            padding=((1, 1), (1, 1))).shape == (32, 63, 63)

    torch = pytest.importorskip("torch")
    layer = torch.nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1, bias=False)
    assert layer(torch.zeros(1, 64, 32, 32)).shape == (1, 32, 64, 64)
    options = {"stride": (2, 2), "padding": ((1, 1), (1, 1)), "output_padding": (0, 0),
               "dilation": (1, 1), "groups": 1}
    np.testing.assert_array_equal(result, torch_transposed(x, weight, None, **options))


@pytest.mark.parametrize("peak", [2**20, 2**24, 2**26, 2**28])
def test_sums_are_exact_beyond_float64(peak):
    rng = np.random.default_rng(peak)
    x = random_tensor(rng, 5, 4, 3, peak=peak) | 1
    weight, bias = random_tensor(rng, 5, 2, 3, 2, peak=peak) | 1, random_tensor(rng, 2, peak=2**60)
    result = conv_transpose2d(x, weight, bias, stride=(2, 1))
    high = conv_transpose2d(x >> 14, weight, stride=(2, 1))
    low = conv_transpose2d(x & (2**14 - 1), weight, stride=(2, 1))
    np.testing.assert_array_equal(result, high * 2**14 + low + bias[:, None, None])
    flipped = weight.swapaxes(0, 1)
    whole = conv2d(x, flipped, bias)
    parts = conv2d(x >> 14, flipped) * 2**14 + conv2d(x & (2**14 - 1), flipped)
    np.testing.assert_array_equal(whole, parts + bias[:, None, None])


@pytest.mark.parametrize("seed", range(120))
def test_conv2d_equals_torch(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    inputs, outputs = (groups * int(n) for n in rng.integers(1, 5, 2))
    kernel, stride, dilation = (rng.integers(1, n, 2).tolist() for n in (8, 4, 4))
    padding = rng.integers(0, 6, (2, 2)).tolist()
    size = [int(rng.integers(max(1, d * (k - 1) + 1 - sum(p)), d * (k - 1) + 10))
            for k, d, p in zip(kernel, dilation, padding)]
    x = random_tensor(rng, inputs, *size)
    weight = random_tensor(rng, outputs, inputs // groups, *kernel)
    bias = random_tensor(rng, outputs) if seed % 3 else None
    padded = torch.nn.functional.pad(torch.from_numpy(x)[None], (*padding[1], *padding[0]))
    expected = torch.nn.functional.conv2d(
        padded, torch.from_numpy(weight), None if bias is None else torch.from_numpy(bias),
        stride=stride, dilation=dilation, groups=groups)
    result = conv2d(x, weight, bias, padding=padding, dilation=dilation, groups=groups,
                    stride=stride)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, expected[0].numpy())


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_pixel_shuffle_equals_torch_and_its_definition(factor):
    torch = pytest.importorskip("torch")
    x = np.arange(3 * factor**2 * 2 * 5).reshape(3 * factor**2, 2, 5)
    np.testing.assert_array_equal(pixel_shuffle(x, factor),
                                  torch.pixel_shuffle(torch.from_numpy(x), factor).numpy())
    for order in "CRD", "DCR":
        y = pixel_shuffle(x, factor, order)
        assert y.shape == (3, 2 * factor, 5 * factor) and y.dtype == np.int64
        for c, row, col in np.ndindex(*y.shape):
            block = row % factor * factor + col % factor
            channel = c * factor**2 + block if order == "CRD" else block * 3 + c
            assert y[c, row, col] == x[channel, row // factor, col // factor]


@pytest.mark.parametrize("order", ["CRD", "DCR"])
def test_sub_pixel_conv2d_equals_a_transposed_convolution(order):
    """Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016."""
    rng = np.random.default_rng(3)
    x, weight = random_tensor(rng, 4, 6, 7), random_tensor(rng, 2 * 9, 4, 3, 5)
    bias = random_tensor(rng, 2)
    repeated = np.repeat(bias, 9) if order == "CRD" else np.tile(bias, 9)
    result = sub_pixel_conv2d(x, weight, repeated, factor=3, order=order,
                              padding=((1, 1), (2, 2)))

    grid = weight.reshape((2, 3, 3, 4, 3, 5) if order == "CRD" else (3, 3, 2, 4, 3, 5))
    grid = grid if order == "CRD" else grid.transpose(2, 0, 1, 3, 4, 5)
    flipped = grid[..., ::-1, ::-1].transpose(3, 0, 4, 1, 5, 2).reshape(4, 2, 9, 15)
    expected = conv_transpose2d(x, flipped, bias, stride=(3, 3), padding=((3, 3), (6, 6)))
    np.testing.assert_array_equal(result, expected)


X, W = np.ones((4, 5, 6), int), np.ones((4, 4, 3, 3), int)


@pytest.mark.parametrize("function, arguments, options, message", [
    (conv_transpose2d, (X * 1.0, W), {}, "x must hold integers that fit int64, not dtype float64"),
    (conv_transpose2d, (X, W[0]), {}, r"weight must have 4 non-empty axes, not shape \(4, 3, 3\)"),
    (conv_transpose2d, (X[:, :0], W), {}, "x must have 3 non-empty axes"),
    (conv_transpose2d, (X[:3], W), {}, "x must have the 4 channels"),
    (conv2d, (X, W), {"groups": 2}, "x must have the 8 channels"),
    (conv_transpose2d, (X, W), {"groups": 3}, "must be a multiple of groups=3, not 4"),
    (conv_transpose2d, (X, W), {"groups": 0}, "groups must be at least 1, not 0"),
    (conv_transpose2d, (X, W, np.ones(3, int)), {}, r"bias must have shape \(4,\), not \(3,\)"),
    (conv_transpose2d, (X, W), {"stride": 2}, "stride must be a pair"),
    (conv_transpose2d, (X, W), {"stride": (2, 0)}, r"stride\[1\] must be at least 1, not 0"),
    (conv_transpose2d, (X, W), {"stride": (2, 1.5)}, r"stride\[1\] must be an integer, not 1.5"),
    (conv_transpose2d, (X, W), {"dilation": (0, 1)}, r"dilation\[0\] must be at least 1, not 0"),
    (conv_transpose2d, (X, W), {"output_padding": (-1, 0)}, r"output_padding\[0\] must be at"),
    (conv_transpose2d, (X, W), {"padding": (1, 1)}, r"padding must be \(\(top, bottom\)"),
    (conv_transpose2d, (X, W), {"padding": ((0, -1), (0, 0))}, r"padding\[0\]\[1\] must be at"),
    (conv_transpose2d, (X, W), {"padding": ((3, 4), (0, 0))}, "padding must leave an output"),
    (conv_transpose2d, (X << 30, W << 30), {}, r"must keep sums below 2\*\*63"),
    (conv2d, (X, W), {"stride": (1, 0)}, r"stride\[1\] must be at least 1, not 0"),
    (conv2d, (X, W), {"dilation": (1, 3)}, "as large as the dilated kernel"),
    (pixel_shuffle, (X, 3), {}, r"x must have a multiple of factor\*\*2=9 channels, not 4"),
    (pixel_shuffle, (X, 0), {}, "factor must be at least 1, not 0"),
    (pixel_shuffle, (X, 2, "RCD"), {}, "order must be 'CRD' or 'DCR', not 'RCD'"),
    (sub_pixel_conv2d, (X, W), {"factor": 3}, "x must have a multiple"),
])
def test_bad_input_is_named(function, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)
