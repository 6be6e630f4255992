"""The closed form of the cycles, against counting and against the timing of every beat."""

import math

import numpy as np
import pytest
from sample_programs import PROGRAMS, convolution, make_program, program, transposed
from walk_model import Walk, sizes

from golden.model import accumulate
from golden.timing import EngineParameters, simulate
from hw.engine.engine import result_latency
from hw.schedule import Schedule


@pytest.mark.parametrize("name", PROGRAMS)
def test_groups_of_a_frame(name):
    """A cycle for each step with weights, each flag word, and for a group that has neither."""
    p = program(name)
    for height, width in sizes(p, np.random.default_rng(1), 5):
        schedule, counted = Schedule(p, height, width), {}
        for group in Walk(p, height, width).groups:
            visits = [visit for visit in group.visits() if visit["_length"]]
            weights = [p.weight_words[visit["_place"]["weight"] + n]
                       for visit in visits for n in range(visit["_length"])]
            steps = sum(word != 0 for word in weights) if p.pruned else len(weights)
            cycles = max(1, steps, len(visits) if p.looks_ahead else 0)
            counted[cycles] = counted.get(cycles, 0) + 1
        assert schedule.groups == counted
        assert schedule.cycles == sum(cycles * count for cycles, count in counted.items())
        assert schedule.shortest_group == min(counted)


def met(p, height, width):
    """Products of input codes with weights that are in the frame, by what golden makes of each."""
    spec = p.layer.describe() | {"dtype": "uint8", "input_zero_point": 0}
    weight = p.tensors.get("weight")
    if weight is not None and not p.pruned:
        weight = np.ones_like(weight)
    codes = np.zeros((p.layer.in_channels, height, width), int)
    found = 0
    for place in np.ndindex(codes.shape):
        codes[place] = 1
        found += np.count_nonzero(accumulate(spec, {"weight": weight}, codes))
        codes[place] = 0
    return found


def repeated(p, height, width):
    """Products of an edge pixel by itself with more than one weight of the same output."""
    layer, (out_height, out_width) = p.layer, p.layer.output_size(height, width)
    taps, distinct = [], []
    for axis, length, outputs in (0, height, out_height), (1, width, out_width):
        kernel, dilation = ((layer.kernel_size[axis], layer.dilation[axis])
                            if layer.op == "resize_conv2d" else (1, 1))
        factor = layer.scale_factor[axis]
        found = [{at // factor + d for k in range(kernel) for at in [n + k * dilation]
                  for d in layer.shares(axis)[at % factor]} for n in range(outputs)]
        taps.append(sum(map(len, found)))
        distinct.append(sum(len({min(max(d, 0), length - 1) for d in offsets})
                            for offsets in found))
    return (math.prod(taps) - math.prod(distinct)) * layer.group_inputs * layer.out_channels


@pytest.mark.parametrize("name", PROGRAMS)
def test_useful_macs(name):
    """Where zero weights are skipped they are not useful; edges that are repeated are."""
    p = program(name)
    for height, width in sizes(p, np.random.default_rng(2), 4):
        more = repeated(p, height, width) if p.bank.clamps else 0
        assert Schedule(p, height, width).useful_macs == met(p, height, width) + more


def test_useful_macs_are_not_those_of_mixed_groups():
    """A shuffle may mix groups, which the engine says with zero weights; those are of no use."""
    layer, options = PROGRAMS["shuffled groups"]
    p = make_program(layer, **{**options, "folding": {"pi": 4, "po": 2}})
    assert not p.pruned
    assert p.schedule.useful_macs == met(p, p.height, p.width)


def predicted(p, sizes):
    """Cycles of every handshake: dense activations, no gaps, output always taken."""
    engine = EngineParameters(pi=p.folding.pi, po=p.folding.po, px=p.folding.px,
                              requantisers=p.requantisers, magnitude_bits=p.magnitude_bits,
                              max_height=p.height, skip_zeros=p.skip_zeros, pruned=p.pruned,
                              pack=p.pack, serial_requant=p.serial_requant,
                              turn_interval=p.turn_interval)
    frames = [np.full((p.layer.in_channels, *size), p.quantisation.input_zero_point + 1)
              for size in sizes] if p.skip_zeros else sizes
    return simulate({**p.layer.describe(), **p.quantisation.describe()}, engine, frames,
                    weight=p.tensors.get("weight"))


@pytest.mark.parametrize("name", [name for name in PROGRAMS if not program(name).pruned])
def test_latency(name):
    """Of any frame whose groups all take as long as the requantisers do."""
    p = program(name)
    for size in sizes(p, np.random.default_rng(3), 6):
        timing, schedule = predicted(p, [size]), Schedule(p, *size)
        if schedule.shortest_group >= p.result_interval:
            assert schedule.latency(result_latency(p)) == timing.emitted[0] - timing.accepted[0]


@pytest.mark.parametrize("name", ("pruned", "skip and pruned", "shuffled groups"))
def test_interval_of_pruned_frames(name):
    """The closed form is a lower bound, and not a loose one."""
    p = program(name)
    emitted = predicted(p, [(p.height, p.width)] * 4).emitted.reshape(4, -1)
    for interval in np.diff(emitted[1:, -1]):
        assert p.schedule.cycles <= interval <= 1.2 * p.schedule.cycles


@pytest.mark.parametrize("layer, folding", (
    (transposed(), {}), (transposed(4, 2, 5, 2, 2), {"pi": 2, "po": 2}),
    (transposed(2, 2, 9, 3, 3), {"pi": 2, "po": 2, "px": 4}), (convolution(4, 8), {"pi": 4}),
    (transposed(4, 4, groups=4), {"po": 2})))
@pytest.mark.parametrize("size", ((8, 9), (5, 12)))
def test_interval_of_frames_that_follow_each_other(layer, folding, size):
    """Exactly the cycles of the schedule where computing, and not the input, is what takes long."""
    p = make_program(layer, folding=folding, size=size)
    frames = 4
    emitted = predicted(p, [size] * frames).emitted.reshape(frames, -1)
    assert set(np.diff(emitted[1:, -1])) == {p.schedule.cycles}
