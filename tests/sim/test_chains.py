"""Two engines in one module, on their generated Verilog: every value and every cycle number."""

import numpy as np
import pytest

from sim.check import check
from sim.compiled import CompiledModel
from sim.run import run_testbench
from sim.stalls import STALLS

SEPARABLE = {"op": "separable_conv_transpose2d", "height": 5, "width": 6, "name": "chain"}
BILINEAR = {"op": "bilinear_conv2d", "height": 4, "width": 5, "name": "chain"}
CASES = {
    "separable": SEPARABLE | {"cin": 4, "cout": 6, "pi": 4, "po": 3},
    "separable, idle lanes": SEPARABLE | {"cin": 5, "cout": 3, "pi": 2, "po": 2, "dtype": "int8",
                                          "output_dtype": "uint12", "activation": "relu"},
    "separable, odd sizes": SEPARABLE | {"cin": 2, "cout": 2, "k": (5, 3), "s": (3, 2),
                                         "p": (0, 2, 1, 0), "activation": "tanh"},
    "separable, zeros": SEPARABLE | {"cin": 20, "cout": 2, "pi": 1, "po": 2, "skip_zeros": True},
    "separable, one channel": SEPARABLE | {"height": 1, "width": 1, "cout": 4, "po": 4,
                                           "pack": True, "requant": "compact"},
    "separable on the ECP5": SEPARABLE | {"cin": 4, "cout": 2, "pi": 2, "po": 2, "pack": True,
                                          "serial_requant": True, "target": "ecp5"},
    "bilinear": BILINEAR | {"cin": 2, "cout": 3, "pi": 2, "po": 3},
    "bilinear, any factor and padding": BILINEAR | {
        "cin": 3, "cout": 2, "s": (3, 5), "k": (2, 3), "p": (0, 3, 2, 1), "dilation": (2, 1),
        "coordinates": "asymmetric", "pi": 2},
    "bilinear, corners": BILINEAR | {"coordinates": "align_corners", "s": (2, 3), "p": 0, "k": 2,
                                     "dtype": "int8", "activation": "leaky_relu:0.1"},
    "bilinear, depthwise": BILINEAR | {"cin": 5, "cout": 5, "groups": 5, "po": 2,
                                       "skip_zeros": True},
}


@pytest.mark.parametrize("case", CASES)
def test_case(generate, model_cache, case):
    design = generate(**CASES[case])
    for stalls in STALLS:
        check(design, stalls=stalls, seed=len(case), density=0.4, cache=model_cache)


@pytest.mark.parametrize("case", ("separable", "bilinear"))
def test_figures_are_lower_bounds(generate, case):
    design = generate(**CASES[case])
    frame = np.full((design.spec["in_channels"], design.frame.height, design.frame.width), 90)
    timing = design.expected_timing([frame] * 3)
    latency = timing.emitted[0] - timing.accepted[0]
    cycles = np.diff(timing.emitted.reshape(3, -1)[:, -1])[-1]
    figures = design.manifest.figures
    assert figures.latency <= latency
    assert 0.9 * cycles <= figures.cycles_per_frame <= cycles


def test_sizes_at_run_time(generate, model_cache):
    """Every size in turn, each written while the chain is idle; what it reads as its output."""
    design = generate(**BILINEAR | {"s": 2, "k": 3, "p": 0})
    frame, registers, rng = design.frame, design.addresses, np.random.default_rng(1)
    with CompiledModel(design.verilog, top="chain", weights=False, cache=model_cache) as model:
        for _ in range(2):
            for height in rng.permutation(range(frame.smallest_height, frame.height + 1)):
                for width in rng.permutation(range(frame.smallest_width, frame.width + 1)):
                    model.write(registers["height"], int(height))
                    model.write(registers["width"], int(width))
                    size = design.output_size(int(height), int(width))
                    assert (model.read(registers["out_height"]),
                            model.read(registers["out_width"])) == size
                    codes = design.random_frame(rng, height, width)
                    count = design.output_beat_count(int(height), int(width))
                    result = model.stream(*design.input_beats(codes), expect=count, timeout=5000)
                    assert np.array_equal(design.output_codes(result.data, int(height), int(width)),
                                          design.expected_codes(codes))
                    model.idle(8)
        assert model.read(registers["status"]) == 0b11


def test_a_size_that_is_written_too_early_spoils_one_frame(generate, model_cache):
    """With output stalled, a third frame waits in the first engine when the size is written."""
    design = generate(**SEPARABLE | {"cin": 2, "cout": 2, "po": 2})
    registers, rng = design.addresses, np.random.default_rng(2)
    small, large = (design.output_beat_count(*size) for size in ((3, 3), (4, 5)))
    frames = [design.random_frame(rng, 3, 3) for _ in range(3)]
    after = design.random_frame(rng, 4, 5)
    with CompiledModel(design.verilog, top="chain", weights=False, cache=model_cache) as model:
        for size in (3, 3), (4, 5):
            for name, value in zip(("height", "width"), size):
                model.write(registers[name], value)
            if size == (3, 3):
                model.stream(*design.stream_beats(frames), expect=0, timeout=5000)
        result = model.stream(expect=2 * small + large, timeout=5000)
        for n, codes in enumerate(frames[:2]):
            assert np.array_equal(design.output_codes(result.data[n * small:][:small], 3, 3),
                                  design.expected_codes(codes))
        errors = model.read(registers["status"]) >> 8
        assert errors == 1 << design.manifest.errors.index("line_early")
        result = model.stream(*design.input_beats(after), expect=large, timeout=5000)
        assert np.array_equal(design.output_codes(result.data, 4, 5), design.expected_codes(after))


@pytest.mark.parametrize("size", ((0, 1), (1, 0)), ids=("rows", "columns"))
def test_a_size_without_output_is_refused(generate, model_cache, size):
    """Of two rows, a kernel of five leaves none of the four that they become."""
    design = generate(**BILINEAR | {"s": 2, "k": 5, "p": 0})
    assert (design.frame.smallest_height, design.frame.smallest_width) == (3, 3)
    registers = design.addresses
    with CompiledModel(design.verilog, top="chain", weights=False, cache=model_cache) as model:
        model.write(registers[("height", "width")[size[1]]], 2)
        assert model.read(registers["status"]) == 0b11 | 1 << 8 + design.manifest.errors.index(
            "geometry")


def test_testbench(generate, model_cache):
    """The registers, too: the cycles of one frame are from the first engine to the second."""
    design = generate(**CASES["separable"])
    for frames in (1, 3):
        result = run_testbench(design, frames=frames, size=(3, 4), cache=model_cache)
        assert result["values"] == frames * 6 * 8 * 6
