"""Randomly drawn layers, each on its generated Verilog: every value and every cycle number."""

import pytest

from golden.quantisation import dtype_bits
from sim import sweep
from sim.sweep import check_one, draw

LAYERS = 44


@pytest.mark.parametrize("seed", range(LAYERS))
def test_drawn_layer(seed, model_cache):
    values, cycles = check_one(seed, model_cache)
    assert values > 0
    assert cycles > 0


def test_the_draw_is_wide(tmp_path):
    drawn = [draw(seed, tmp_path) for seed in range(LAYERS)]
    assert len({o.op for o in drawn}) == 7
    for seen in (lambda o: o.px > 1, lambda o: o.pi > 1, lambda o: o.po > 1, lambda o: o.groups > 1,
                 lambda o: o.loadable, lambda o: o.skip_zeros, lambda o: o.weight_bits == 4,
                 lambda o: o.requant == "compact", lambda o: o.dtype == "int8",
                 lambda o: o.requant == "tflite-reference", lambda o: dtype_bits(o.dtype) > 8,
                 lambda o: dtype_bits(o.dtype) < 8, lambda o: o.weight_bits > 8,
                 lambda o: o.output_dtype and dtype_bits(o.output_dtype) > 8,
                 lambda o: o.op == "conv_transpose2d" and min(o.k) < min(o.s),
                 lambda o: max(o.dilation) > 1, lambda o: o.p is not None and len(set(o.p)) > 1,
                 lambda o: o.activation.startswith("prelu"), lambda o: o.order == "DCR",
                 lambda o: o.k and max(o.k) > 7, lambda o: max(o.s) > 4):
        assert any(map(seen, drawn))
    assert draw(3, tmp_path).model_dump() == draw(3, tmp_path).model_dump()


def test_a_difference_is_reported(monkeypatch, capsys):
    def fails(seed, cache):
        if seed == 1:
            raise AssertionError("seed 1: [beat] 3")
        return 10, 20
    monkeypatch.setattr(sweep, "check_one", fails)
    with pytest.raises(SystemExit) as stop:
        sweep.sweep(count=3, seed=0)
    assert stop.value.code == 1
    printed = capsys.readouterr().out
    assert "seed 1: [beat] 3" in printed
    assert "2 of 3 layers equal to golden: 20 values, 40 cycle numbers" in printed
