"""New weights between two frames, without a stop."""

import numpy as np
import pytest

from golden.model import forward
from hw.engine.loader import weight_beats
from hw.export import restore_program
from sim.compiled import CompiledModel

LAYER = {"cin": 3, "cout": 2, "k": 4, "s": 2, "pi": 1, "po": 2, "height": 5, "width": 5,
         "loadable": True}

SETTLED = 8  # cycles until the status register tells what the streams have done


def other_tensors(design, seed):
    rng = np.random.default_rng(seed)
    weight = design.tensors["weight"]
    bias = design.tensors["bias"]
    return {**design.tensors, "weight": rng.integers(-127, 128, weight.shape),
            "bias": rng.integers(0, 9000, bias.shape)}


def beats_of(design, tensors):
    size = design.manifest.weights.bits // 8
    beats = weight_beats(restore_program(design.manifest, tensors))
    return np.array([list(b.to_bytes(size, "little")) for b in beats], dtype=np.uint8)


def status(model, design):
    model.idle(SETTLED)
    return model.read({r.name: r.address for r in design.manifest.registers}["status"])


@pytest.mark.parametrize("choice", ({}, {"spram": True, "target": "ice40"}), ids=("", "banks"))
def test_every_frame_has_its_weights_and_none_waits(choice, generate, model_cache):
    design = generate(**LAYER, **choice)
    rng = np.random.default_rng(3)
    count = design.output_beat_count(5, 5)
    frames = [design.random_frame(rng) for _ in range(6)]
    beats = [np.concatenate(p) for p in zip(*map(design.input_beats, frames))]
    old, new = other_tensors(design, 1), other_tensors(design, 2)
    with CompiledModel(design.verilog, top=design.manifest.name, weights=True,
                       cache=model_cache) as model:
        for at in (0, 500, 1100, 1500, 2200):
            model.load(beats_of(design, old))
            start = model.cycle
            result = model.stream(*beats, expect=count * len(frames), timeout=5000,
                                  weights=beats_of(design, new), weights_at=at)
            begun = result.accepted[::75] + 1  # the cycle in which a first beat can be consumed
            used = []
            for number, codes in enumerate(frames):
                got = design.output_codes(result.data[number * count:(number + 1) * count], 5, 5)
                matches = [np.array_equal(got, forward(design.spec, t, codes)) for t in (old, new)]
                assert sum(matches) == 1, f"frame {number}"
                used.append(matches[1])
            loaded = result.loaded[-1]
            for number, uses_new in enumerate(used):
                if begun[number] > loaded + 50:
                    assert uses_new
                if number + 1 < len(used) and begun[number + 1] <= loaded:
                    assert not used[number]
            assert used == sorted(used)
            timing = design.expected_timing(frames, start=start)
            assert np.array_equal(result.emitted, timing.emitted)
            assert status(model, design) == 0b11


def test_a_load_of_the_wrong_length_is_dropped(generate, model_cache):
    design = generate(**LAYER)
    codes = design.random_frame(np.random.default_rng(4))
    old, new = other_tensors(design, 1), other_tensors(design, 2)
    with CompiledModel(design.verilog, top=design.manifest.name, weights=True,
                       cache=model_cache) as model:
        model.load(beats_of(design, old))
        good = beats_of(design, new)
        for bad in (good[:-1], good[:1], np.concatenate([good, good[:3]]),
                    np.concatenate([good, good])):
            model.load(bad)
            assert status(model, design) == 0b11 | 1 << 8 + design.manifest.errors.index(
                "weights_length")
            model.write({r.name: r.address for r in design.manifest.registers}["status"],
                        0xFFFFFFFF)
            result = model.stream(*design.input_beats(codes), timeout=5000,
                                  expect=design.output_beat_count(5, 5))
            assert np.array_equal(design.output_codes(result.data, 5, 5),
                                  forward(design.spec, old, codes))
        model.load(good)
        result = model.stream(*design.input_beats(codes), timeout=5000,
                              expect=design.output_beat_count(5, 5))
        assert np.array_equal(design.output_codes(result.data, 5, 5),
                              forward(design.spec, new, codes))


def test_new_weights_for_every_frame(generate, model_cache):
    """Kernels that depend on the input: those of the next frame arrive while one runs."""
    design = generate(**LAYER)
    rng, count = np.random.default_rng(4), design.output_beat_count(5, 5)
    tensors = [other_tensors(design, seed) for seed in range(9)]
    with CompiledModel(design.verilog, top=design.manifest.name, weights=True,
                       cache=model_cache) as model:
        model.load(beats_of(design, tensors[0]))
        for own, following in zip(tensors, tensors[1:]):
            codes = design.random_frame(rng)
            result = model.stream(*design.input_beats(codes), expect=count, timeout=5000,
                                  weights=beats_of(design, following), weights_at=10)
            np.testing.assert_array_equal(design.output_codes(result.data, 5, 5),
                                          forward(design.spec, own, codes))
            assert result.accepted[0] < result.loaded[-1] < result.emitted[-1]
        assert status(model, design) >> 8 == 0
