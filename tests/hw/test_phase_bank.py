"""The phase bank: every phase is an ordinary filter, and together they are the layer."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sample_programs import PROGRAMS, convolution, resize_convolution, sub_pixel, transposed

from golden.arithmetic import conv2d, conv_transpose2d
from golden.model import accumulate
from golden.resize import denominator
from hw.layers import Layer
from hw.phase_bank import lower

LAYERS = {name: layer for name, (layer, _) in PROGRAMS.items()} | {
    "stride beyond kernel": transposed(2, 2, (2, 1), (5, 3), 0, output_padding=(4, 0)),
    "common factor": transposed(1, 2, 3, (4, 6), (2, 3), dilation=(2, 4)),
    "padding beyond kernel": transposed(1, 1, 3, 2, ((7, 0), (0, 6))),
    "DCR": sub_pixel(2, 3, factor=2, order="DCR"),
    "DCR in groups": sub_pixel(4, 4, factor=2, order="DCR", groups=4),
    "CRD in groups": sub_pixel(4, 2, factor=3, groups=2),
    "strip": convolution(3, 3, (1, 5), ((0, 0), (4, 0)), groups=3),
}


def correlate(bank, codes, size):
    """The bank applied to a frame: one small filter for each phase, absent neighbours 0.

    Unless the edges are repeated, so that there are none.
    """
    phases = len(bank.rows), len(bank.columns)
    channels, height, width = codes.shape
    output = np.zeros((len(bank.channels[0][0]), *size), int)
    per_group = len(output) // bank.groups
    for n, m in np.ndindex(*size):
        (i, p), (j, q) = divmod(n, phases[0]), divmod(m, phases[1])
        for ty, dy in enumerate(bank.rows[p]):
            for tx, dx in enumerate(bank.columns[q]):
                y, x = i * bank.step[0] + dy, j * bank.step[1] + dx
                if bank.clamps:
                    assert -1 <= y <= height and -1 <= x <= width
                    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
                if 0 <= y < height and 0 <= x < width:
                    pixel = codes[:, y, x].reshape(bank.groups, -1)
                    taps = bank.filters[p][q][:, :, ty, tx].reshape(bank.groups, per_group, -1)
                    output[:, n, m] += np.einsum("goc,gc->go", taps, pixel).reshape(-1)
    return output


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_the_bank_is_the_layer(layer):
    rng = np.random.default_rng(len(repr(layer)))
    weight, bias = None, np.zeros(layer.parameter_channels, int)
    if layer.weight_shape:
        weight = rng.integers(-128, 128, layer.weight_shape)
        bias = rng.integers(-1000, 1000, layer.parameter_channels)
    size = 5, 7
    codes = rng.integers(0, 256, (layer.in_channels, *size))
    bank = lower(layer, weight)
    spec = {**layer.describe(), "dtype": "uint8", "input_zero_point": 0}
    expected = accumulate(spec, {"weight": weight, "bias": bias}, codes)
    found = correlate(bank, codes, layer.output_size(*size))
    phases = len(bank.rows), len(bank.columns)
    assert max(abs(f).max(initial=0) for f in sum(bank.filters, [])) <= bank.gain * (
        1 if weight is None else abs(weight).max())
    for p, q in np.ndindex(*phases):
        assert bank.filters[p][q].shape == (
            layer.out_channels, layer.in_channels // bank.groups, len(bank.rows[p]),
            len(bank.columns[q]))
        assert list(bank.rows[p]) == sorted(set(bank.rows[p]))
        assert list(bank.columns[q]) == sorted(set(bank.columns[q]))
        found[:, p::phases[0], q::phases[1]] += bias[bank.channels[p][q]][:, None, None]
    if weight is None:  # golden does not reduce the shares to lowest terms
        whole = denominator(layer.mode, layer.scale_factor, layer.coordinates)
        found *= whole // layer.denominator
    np.testing.assert_array_equal(found, expected)


def test_taps_on_the_same_pixel_are_one():
    bank = lower(resize_convolution(1, 1), np.arange(9).reshape(1, 1, 3, 3))
    assert bank.rows == bank.columns == ((-1, 0), (0, 1)) and bank.gain == 4
    assert bank.filters[0][0].tolist() == [[[[0, 1 + 2], [3 + 6, 4 + 5 + 7 + 8]]]]


@pytest.mark.parametrize("kernel, stride, padding", ((4, 2, 1), (9, 3, 3), (5, 3, 1), (64, 32, 16)))
def test_a_large_kernel_is_several_small_convolutions(kernel, stride, padding):
    rng = np.random.default_rng(kernel)
    layer = transposed(3, 2, kernel, stride, padding, output_padding=2 * padding - kernel + stride)
    x = rng.integers(-128, 128, (3, 5, 6))
    weight = rng.integers(-128, 128, layer.weight_shape)
    bank = lower(layer, weight)
    parts = np.empty((2, 5 * stride, 6 * stride), int)
    for p, q in np.ndindex(stride, stride):
        # zeros around the input, so that each phase has as many pixels as the input
        around = tuple((max(0, -o[0]), max(0, o[-1])) for o in (bank.rows[p], bank.columns[q]))
        inner = [max(0, o[0]) for o in (bank.rows[p], bank.columns[q])]
        whole = conv2d(x, bank.filters[p][q], padding=around)
        parts[:, p::stride, q::stride] = whole[:, inner[0]:, inner[1]:][:, :5, :6]
    np.testing.assert_array_equal(parts, conv_transpose2d(
        x, weight, stride=layer.stride, padding=layer.padding,
        output_padding=layer.output_padding))
    torch_output = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x).double(), torch.from_numpy(weight).double(), stride=stride,
        padding=padding, output_padding=layer.output_padding)
    np.testing.assert_array_equal(parts, torch_output.numpy())


def test_the_code_in_docs():
    """It asserts that four small convolutions are the large one."""
    page = Path(__file__).parents[2] / "docs" / "layers.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    exec(code, found := {})
    assert torch.count_nonzero(found["whole"]) and found["parts"].shape == (1, 2, 10, 12)


def test_no_inserted_zeros():
    layer = transposed(3, 2, (4, 7), (2, 3))
    bank = lower(layer, np.ones(layer.weight_shape, int))
    taps = [len(rows) * len(columns) for rows in bank.rows for columns in bank.columns]
    assert sum(taps) == 4 * 7 and sum(f.size for row in bank.filters for f in row) == 3 * 2 * 28


@pytest.mark.parametrize("layer, groups, own", (
    (transposed(4, 4, groups=2), 2, False), (convolution(4, 4, groups=4), 4, False),
    (sub_pixel(4, 4), 1, True), (sub_pixel(4, 4, factor=1), 1, False),
    (sub_pixel(4, 4, groups=2), 2, True), (sub_pixel(4, 4, groups=2, order="DCR"), 1, True)))
def test_groups_and_parameters(layer, groups, own):
    bank = lower(layer, np.zeros(layer.weight_shape, int))
    assert bank.groups == groups and bank.per_phase_parameters == own


def test_refused():
    with pytest.raises(ValueError, match=r"^weight must have the shape \(2, 3, 4, 4\), "
                                         r"not \(3, 2, 4, 4\)$"):
        lower(transposed(2, 3), np.zeros((3, 2, 4, 4), int))

    class Other(Layer):
        weight_shape = (1, 1, 1, 1)

    with pytest.raises(TypeError, match="^layer must be one of hw.layers, not Other$"):
        lower(Other(in_channels=1, out_channels=1), np.zeros((1, 1, 1, 1), int))
