"""Layers at the edges of what is allowed, on their generated Verilog."""

import numpy as np
import pytest

from golden.model import forward
from hw.engine.loader import weight_beats
from hw.export import restore_program
from sim.check import check
from sim.compiled import CompiledModel
from sim.stalls import STALLS


def save(path, weight, **others):
    values = {"weight_scale": 1.0, "input_scale": 1.0, "output_scale": 1.0, **others}
    np.savez(path, weight=weight, **values)
    return str(path)


CASES = {
    "padding beyond the kernel": {"k": 3, "s": 2, "p": "5,4", "cin": 2, "cout": 2},
    "kernel below the stride": {"k": 2, "s": 5, "cin": 2, "cout": 3, "po": 3},
    "one pixel": {"height": 1, "width": 1, "k": 16, "s": 8},
    "bilinear of 64 exactly": {"height": 2, "width": 3, "k": 64, "s": 32, "weight_bits": 13,
                               "cin": 2, "cout": 2, "groups": 2, "po": 2},
    "strides beyond the kernel": {"op": "conv2d", "k": "2,1", "s": "3,4", "p": 0, "cin": 3,
                                  "cout": 2, "height": 9, "width": 13},
    "strides of few rows": {"op": "conv2d", "k": 3, "s": "5,2", "height": 2, "width": 7,
                            "loadable": True},
    "repeated edges of one pixel": {"op": "resize2d", "mode": "bilinear", "s": "3,2",
                                    "height": 1, "width": 1, "dtype": "int16"},
    "repeated edges and zeros": {"op": "resize2d", "mode": "bilinear", "s": "2,5", "cin": 3,
                                 "cout": 3, "po": 2, "skip_zeros": True, "height": 3, "width": 2},
    "bilinear, then a convolution": {"op": "resize_conv2d", "mode": "bilinear", "cin": 3, "cout": 2,
                                     "pi": 3, "coordinates": "align_corners", "height": 4,
                                     "width": 3},
    "taps added up, two products a multiplier": {"op": "resize_conv2d", "cin": 2, "cout": 2,
                                                 "po": 2, "pack": True, "weight_bits": 5,
                                                 "target": "ecp5"},
    "one row": {"height": 1, "k": "5,3", "s": "3,2"},
    "one column": {"width": 1, "k": "5,3", "s": "3,2", "px": 3},
    "kernel 16 in one dimension": {"k": "16,1", "s": "8,1", "p": "4,4,0,0"},
    "more lanes than columns": {"px": 9, "width": 4, "k": 9, "s": 4, "p": 4, "op_pad": 3},
    "lanes and zeros": {"op": "conv2d", "k": 5, "cin": 12, "px": 4, "skip_zeros": True},
    "idle lanes": {"cin": 5, "cout": 5, "pi": 3, "po": 3},
    "idle groups": {"cin": 10, "cout": 10, "groups": 5, "pi": 2, "po": 4},
    "shuffle across groups": {"op": "sub_pixel_conv2d", "k": 3, "s": 3, "cin": 4, "cout": 2,
                              "groups": 2, "pi": 2, "order": "DCR"},
    "dilation beyond the stride": {"k": 3, "s": 2, "dilation": "2,3", "p": 1},
    "outputs far beyond the inputs": {"op": "conv2d", "k": 9, "p": 8, "cin": 6, "width": 3},
    "flags far beyond the inputs": {"op": "conv2d", "k": 9, "p": 8, "cin": 6, "width": 3, "px": 2,
                                    "skip_zeros": True},
    "two products a multiplier": {"cin": 3, "cout": 4, "k": 4, "po": 4, "pack": True},
    "two products on the ECP5": {"cin": 3, "cout": 4, "k": 4, "pi": 2, "po": 2, "pack": True,
                                 "target": "ecp5", "loadable": True},
    "two products on the iCE40": {"cin": 3, "cout": 4, "k": 4, "po": 2, "pack": True,
                                  "target": "ice40"},
    "two products of 4 bits": {"cin": 3, "cout": 2, "k": 4, "po": 2, "px": 2, "pack": True,
                               "weight_bits": 4, "target": "ecp5"},
    "products of tables": {"cin": 3, "cout": 4, "k": 4, "pi": 3, "po": 2, "lut_products": True},
    "products of tables on the iCE40": {"cin": 3, "cout": 2, "k": 4, "po": 2, "px": 2,
                                        "weight_bits": 4, "lut_products": True, "target": "ice40",
                                        "loadable": True},
    "requantised bit by bit": {"cin": 5, "cout": 6, "k": 4, "po": 3, "serial_requant": True,
                               "loadable": True, "activation": "tanh"},
    "requantised bit by bit on the iCE40": {"cin": 16, "cout": 4, "k": 3, "pi": 2, "po": 4,
                                            "pack": True, "serial_requant": True,
                                            "target": "ice40"},
    "pairs and pixels on the iCE40": {"cin": 3, "cout": 2, "k": 4, "po": 2, "px": 2, "pack": True,
                                      "skip_zeros": True, "target": "ice40", "loadable": True},
    "flag words of a part": {"cin": 37, "k": 2, "s": 2, "skip_zeros": True},
}


@pytest.mark.parametrize("case", CASES)
def test_case(generate, model_cache, case):
    design = generate(**{"height": 5, "width": 6, "name": "corner", **CASES[case]})
    for stalls in STALLS:
        check(design, stalls=stalls, seed=len(case), density=0.4, cache=model_cache)


def test_largest_negative_sum(generate, model_cache, tmp_path):
    """-128 is the one sum whose magnitude needs a bit more than the other sums."""
    weights = save(tmp_path / "w.npz", np.ones((1, 1, 1, 1), int))
    design = generate(op="conv2d", k=1, dtype="int8", weights=weights, height=1, width=2)
    codes = np.array([[[-128, 127]]])
    with CompiledModel(design.verilog, top=design.manifest.name, weights=False,
                       cache=model_cache) as model:
        result = model.stream(*design.input_beats(codes), expect=2, timeout=1000)
    assert design.output_codes(result.data, 1, 2).tolist() == codes.tolist()


def test_idle_lanes_with_a_zero_point(generate, model_cache, tmp_path):
    rng = np.random.default_rng(1)
    weights = save(tmp_path / "w.npz", rng.integers(-9, 9, (3, 2, 4, 4)), weight_scale=0.05,
                   input_zero_point=5, output_zero_point=77)
    design = generate(cin=3, cout=2, pi=2, weights=weights, skip_zeros=True, height=5, width=6)
    check(design, stalls="both", seed=2, density=0.3, cache=model_cache)


@pytest.mark.parametrize("skip_zeros", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.95])
def test_pruned_weights(generate, model_cache, tmp_path, share, skip_zeros):
    rng = np.random.default_rng(2)
    weight = rng.integers(1, 9, (20, 4, 4, 4))
    weight[rng.random((20, 1, 4, 4)).repeat(4, axis=1) < share] = 0
    weights = save(tmp_path / "w.npz", weight, weight_scale=0.01)
    design = generate(cin=20, cout=4, po=2, weights=weights, skip_zeros=skip_zeros, height=5,
                      width=6)
    assert design.manifest.engines[0].pruned
    check(design, stalls="both", seed=3, density=0.5, cache=model_cache)


def test_loadable_weights_may_be_zero_at_first(generate, model_cache, tmp_path):
    """An engine generated with zero weights does all steps of those that are loaded later."""
    weights = save(tmp_path / "w.npz", np.zeros((4, 2, 3, 3), int), weight_scale=0.001)
    design = generate(cin=4, cout=2, k=3, weights=weights, loadable=True, height=3, width=3)
    rng = np.random.default_rng(4)
    loaded = {**design.tensors, "weight": rng.integers(-127, 128, (4, 2, 3, 3))}
    beats = weight_beats(restore_program(design.manifest, loaded))
    codes = design.random_frame(rng)
    with CompiledModel(design.verilog, top=design.manifest.name, weights=True,
                       cache=model_cache) as model:
        model.load(np.array([[beat] for beat in beats], dtype=np.uint8))
        result = model.stream(*design.input_beats(codes), timeout=1000,
                              expect=design.output_beat_count(3, 3))
    assert np.array_equal(design.output_codes(result.data, 3, 3),
                          forward(design.spec, loaded, codes))


def test_frames_of_different_heights_in_one_prediction(generate):
    design = generate(height=6, width=5)
    rng = np.random.default_rng(5)
    frames = [design.random_frame(rng, height, 5) for height in (6, 2, 4)]
    timing = design.expected_timing(frames)
    assert len(timing.accepted) == 12 * 5
    assert len(timing.emitted) == 12 * 10 * 2
