"""The naive engine does the same, and its zeros are part of its input."""

from types import SimpleNamespace

import numpy as np
import pytest

from bench.naive import naive_cycles, naive_options, stuff, write_weights
from bench.peers import pixel_padding
from golden.model import forward
from hw.export import make_program
from hw.options import Options


@pytest.mark.parametrize("layer", [
    {"k": 4, "s": 2, "p": 1, "height": 3, "width": 5, "cin": 4, "cout": 3, "pi": 2, "po": 3},
    {"k": 3, "s": 2, "height": 4, "width": 4, "cin": 2, "cout": 4, "po": 2},
    {"k": 9, "s": 4, "p": 4, "op_pad": 3, "height": 3, "width": 4, "px": 3},
    {"k": (2, 5), "s": (3, 1), "height": 4, "width": 6, "cin": 2},
    {"k": 5, "s": 2, "p": (0, 3, 1, 2), "height": 5, "width": 5, "dtype": "int8"},
], ids=str)
def test_same_output(layer, tmp_path):
    options, rng = Options(**layer), np.random.default_rng(0)
    program = make_program(options)
    points = {"input_zero_point": 7, "output_zero_point": 3}
    spec = {**program.layer.describe(), **program.quantisation.describe(), **points}
    design = SimpleNamespace(tensors=program.tensors, spec=spec)
    naive = naive_options(options, write_weights(design, tmp_path / "weights.npz"))
    naive_program = make_program(naive)
    naive_spec = {**naive_program.layer.describe(), **naive_program.quantisation.describe()}
    codes = rng.integers(0, 128, (options.cin, options.height, options.width))
    stuffed = stuff(program.layer, codes, zero_point=7)
    assert stuffed.shape == (naive.cin, naive.height, naive.width)
    assert np.count_nonzero(stuffed != 7) == np.count_nonzero(codes != 7)
    np.testing.assert_array_equal(forward(naive_spec, naive_program.tensors, stuffed),
                                  forward(spec, program.tensors, codes))


def test_cycles_are_those_of_every_tap():
    options = Options(k=4, s=2, p=1, height=8, width=8, cin=8, cout=6, pi=4, po=3)
    assert naive_cycles(options) == pixel_padding(options.layer(), 8, 8, pe=3, simd=4)


@pytest.mark.parametrize(("layer", "message"), [
    ({"k": 2, "s": 2, "p": 2, "height": 8, "width": 8},
     r"padding must be smaller than kernel_size \(2, 2\), not \(\(2, 2\), \(2, 2\)\)"),
    ({"groups": 2, "cin": 2, "cout": 2},
     r"groups and dilation must be 1, not 2 and \(1, 1\)"),
    ({"dilation": 2, "p": 1}, r"groups and dilation must be 1, not 1 and \(2, 2\)"),
])
def test_refused_layers(layer, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        naive_options(Options(**layer))
