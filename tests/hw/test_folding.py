"""The folding: what it refuses, and which channel lies in which lane."""

import numpy as np
import pytest

from hw.folding import IDLE, ChannelLayout, Folding


def layout(inputs, outputs, groups=1, **folding):
    return ChannelLayout(inputs, outputs, groups, Folding(**folding))


@pytest.mark.parametrize("name", ("pi", "po", "px"))
def test_refused_folding(name):
    for value in (0, -1, 1.0, None):
        with pytest.raises(ValueError, match=f"^{name} must be a whole number at least 1, not "
                                             f"{value!r}$"):
            Folding(**{name: value})


@pytest.mark.parametrize("options, message", (
    ({"pi": 4}, r"pi must be at most in_channels/groups \(3\), not 4"),
    ({"po": 9}, r"po must be at most out_channels \(8\), not 9"),
    ({"po": 6, "pi": 3}, (r"po beyond out_channels/groups \(4\) must be a multiple of it with "
                          r"pi = in_channels/groups \(3\), not po = 6, pi = 3")),
    ({"po": 8, "pi": 2}, r"po beyond out_channels/groups \(4\) must be .*, not po = 8, pi = 2"),
    ({"po": 4, "px": 2}, (r"px must be 1 unless po covers all output channels \(8\), not px = 2 "
                          "with po = 4")),
))
def test_refused_layout(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        layout(6, 8, 2, **options)


def test_multipliers():
    assert Folding(pi=2, po=3, px=5).products == 30


@pytest.mark.parametrize("inputs, outputs, groups, folding, in_beats, out_beats", (
    (1, 1, 1, {}, [[0]], [[0]]),
    (5, 3, 1, {"pi": 2, "po": 2}, [[0, 1], [2, 3], [4, IDLE]], [[0, 1], [2, IDLE]]),
    (6, 4, 2, {"pi": 2, "po": 2}, [[0, 1], [2, IDLE], [3, 4], [5, IDLE]], [[0, 1], [2, 3]]),
    (3, 3, 3, {"po": 2}, [[0, 1], [2, IDLE]], [[0, 1], [2, IDLE]]),
    (6, 6, 3, {"pi": 2, "po": 4}, [[0, 1, 2, 3], [4, 5, IDLE, IDLE]],
     [[0, 1, 2, 3], [4, 5, IDLE, IDLE]]),
    (2, 4, 2, {"po": 4, "px": 3}, [[0, 1]], [[0, 1, 2, 3]]),
    (2, 4, 1, {"po": 4, "px": 3}, [[0], [1]], [[0, 1, 2, 3]]),
))
def test_lanes(inputs, outputs, groups, folding, in_beats, out_beats):
    found = layout(inputs, outputs, groups, **folding)
    np.testing.assert_array_equal(found.input_channels, in_beats)
    np.testing.assert_array_equal(found.output_channels, out_beats)
    assert (found.input_beats, found.input_lanes) == np.shape(in_beats)
    assert found.output_beats == len(out_beats)
    assert found.input_beats == found.blocks * found.block_inputs
    assert found.output_beats == found.blocks * found.block_outputs


def test_every_channel_has_one_lane():
    rng = np.random.default_rng(0)
    for _ in range(200):
        groups, per_in, per_out = rng.integers(1, 6, 3).tolist()
        pi, po = int(rng.integers(1, per_in + 1)), int(rng.integers(1, per_out + 1))
        if pi == per_in and rng.random() < 0.5:
            po = per_out * int(rng.integers(1, groups + 1))
        found = layout(groups * per_in, groups * per_out, groups, pi=pi, po=po)
        for channels, count in ((found.input_channels, groups * per_in),
                                (found.output_channels, groups * per_out)):
            lanes = channels[channels != IDLE]
            assert sorted(lanes.tolist()) == list(range(count))
        # the outputs of a beat meet only inputs of the beats of their own block
        for beat, lanes in enumerate(found.output_channels):
            block = beat // found.block_outputs
            inputs = found.input_channels[block * found.block_inputs:][:found.block_inputs]
            met = {c // per_in for c in inputs.ravel() if c != IDLE}
            assert {c // per_out for c in lanes if c != IDLE} <= met
