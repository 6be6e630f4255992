"""The note about uneven overlap: where it stands, and that its numbers are those of the layer."""

import math

import numpy as np
import pytest
from sample_programs import convolution, sub_pixel, transposed

from golden.arithmetic import conv_transpose2d
from hw.checkerboard import checkerboard_notes
from hw.gen import app
from hw.options import run
from hw.phase_bank import lower

END = "taps in turn, a checkerboard unless the weights balance it"
NOTES = [
    (transposed(), []),
    (transposed(kernel=6, stride=3), []),
    (transposed(kernel=6, stride=4, padding=0), [
        f"kernel 6 is not divisible by stride 4: output rows and columns sum 2, 2, 1, 1 {END}"]),
    (transposed(kernel=3), [
        f"kernel 3 is not divisible by stride 2: output rows and columns sum 1, 2 {END}"]),
    (transposed(kernel=3, padding=((0, 0), (1, 1))), [
        f"kernel 3 is not divisible by stride 2: output rows sum 2, 1 {END}",
        f"kernel 3 is not divisible by stride 2: output columns sum 1, 2 {END}"]),
    (transposed(kernel=(4, 5), stride=(2, 3)), [
        f"kernel 5 is not divisible by stride 3: output columns sum 2, 1, 2 {END}"]),
    (transposed(kernel=2, stride=3), [
        f"kernel 2 is not divisible by stride 3: output rows and columns sum 1, 0, 1 {END}"]),
    (transposed(kernel=4, dilation=3), []),
    (transposed(kernel=4, dilation=2, padding=0), [
        ("dilation 2 has a factor in common with stride 2: output rows and columns sum 4, 0 "
         f"{END}")]),
    (transposed(kernel=10, stride=9, padding=0), [
        f"kernel 10 is not divisible by stride 9: output rows and columns sum 1 to 2 {END}"]),
    (transposed(kernel=3, stride=1), []),
    (convolution(1, 1), []),
    (sub_pixel(1, 1), []),
]


@pytest.mark.parametrize("layer, notes", NOTES)
def test_notes(layer, notes):
    assert checkerboard_notes(layer) == notes


@pytest.mark.parametrize("kernel", (1, 2, 3, 4, 6, 9))
@pytest.mark.parametrize("stride", (1, 2, 3, 4))
@pytest.mark.parametrize("dilation", (1, 2, 3))
def test_overlaps_are_what_ones_sum(kernel, stride, dilation):
    layer = transposed(kernel=kernel, stride=stride, dilation=dilation, padding=0)
    weight = np.ones(layer.weight_shape, int)
    rows, columns = lower(layer, weight).overlaps
    frame = conv_transpose2d(np.ones((1, 30, 30), int), weight, stride=layer.stride,
                             dilation=layer.dilation)[0]
    start = stride * math.ceil(dilation * (kernel - 1) / stride)  # where no edge is in reach
    inside = frame[start:start + stride, start:start + stride]
    np.testing.assert_array_equal(inside, np.outer(rows, columns))
    even = kernel % stride == 0 and math.gcd(stride, dilation) == 1
    assert (inside.min() == inside.max()) == even == (not checkerboard_notes(layer))


def test_generation_notes_it_and_succeeds(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["hw.gen", "--k", "3", "--s", "2", "--height", "3", "--width",
                                     "3", "-o", str(tmp_path)])
    with pytest.raises(SystemExit) as exit_code:
        run(app)
    assert not exit_code.value.code
    assert capsys.readouterr().err == f"note: {NOTES[3][1][0]}\n"
