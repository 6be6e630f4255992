"""The engine: values by `golden.model`, and the cycle of every handshake by `golden.timing`."""

import numpy as np
import pytest
from bench_helpers import STALLS
from engine_bench import Bench, beats_of, expected_beats, random_frames
from sample_programs import convolution, make_program, program, transposed

from hw.engine.registers import STATUS_ERRORS


def check(p, stall="none", *, seed=0, count=2, size=None):
    rng = np.random.default_rng(seed)
    frames = random_frames(p, rng, [size or (p.height, p.width)] * count)
    beats = [beat for codes in frames for beat in beats_of(p, codes)]
    expect = sum(len(expected_beats(p, codes)) for codes in frames)
    gaps = rng.integers(0, 3 if stall in ("input", "both") else 1, len(beats)).tolist()
    ready = np.append(rng.random(97) < (0.5 if stall in ("output", "both") else 1), True).tolist()
    bench = Bench(p)
    bench.run(beats, expect, gaps=gaps, ready=ready, size=size)
    bench.check_values(frames)
    bench.check_cycles(frames, gaps, ready)


@pytest.mark.parametrize("name", ("plain", "gaps", "three pixels", "cropped", "extended", "one",
                                  "depthwise", "parallel groups", "dense pixels", "sub-pixel",
                                  "int8", "compact", "wide", "narrow", "tflite", "tanh",
                                  "serial", "serial pixels", "serial alone", "loadable",
                                  "lut products", "lut products of 4 bits"))
def test_frames(name):
    check(program(name), count=1 if program(name).schedule.cycles > 600 else 2)


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("name", ("two pixels", "skip pixels"))
def test_stalls(name, stall):
    check(program(name), stall, seed=1)


@pytest.mark.parametrize("seed", range(3))
def test_zeros_of_neighbours_outside_the_frame(seed):
    """What lies in the line buffer where a neighbour is outside the frame costs no step."""
    p = make_program(transposed(6, 2), folding={"pi": 2, "po": 2, "px": 2}, skip_zeros=True,
                     size=(3, 4))
    check(p, seed=seed, count=3)


@pytest.mark.parametrize("name, size", (("plain", (2, 3)), ("three pixels", (3, 4)),
                                        ("skip pixels", (2, 4))))
def test_smaller_frames(name, size):
    check(program(name), size=size, count=3)


def test_a_broken_frame_does_not_touch_the_next_one():
    p = program("plain")
    rng = np.random.default_rng(2)
    before, broken, later = random_frames(p, rng, [(p.height, p.width)] * 3)
    cut = 2 * p.width + 3
    beats = beats_of(p, before) + beats_of(p, broken)[:cut] + beats_of(p, later)
    broken = np.where(np.arange(broken[0].size).reshape(broken.shape) < cut, broken,
                      p.quantisation.input_zero_point)
    status = []
    bench = Bench(p)

    async def after(ctx):
        for name in ("status", "frames"):
            status.append(await bench.read(ctx, name))
    frames = [before, broken, later]
    bench.run(beats, sum(len(expected_beats(p, codes)) for codes in frames), after=after)
    bench.check_values(frames)
    assert status[0] >> 8 == 1 << STATUS_ERRORS.index("frame_early") and status[1] == 3


def test_new_weights_between_frames():
    """Each frame uses the weights that were there when it began, and each bank is used again."""
    programs = [make_program(transposed(2, 2, 3), folding={"pi": 2, "po": 2}, size=(2, 3),
                             loadable=True, seed=seed) for seed in range(4)]
    rng, bench = np.random.default_rng(0), Bench(programs[0])
    frames = random_frames(programs[0], rng, [(2, 3)] * 4)
    expected = [beat for p, codes in zip(programs, frames) for beat in expected_beats(p, codes)]
    per_frame = len(beats_of(programs[0], frames[0]))

    async def reload(ctx):
        for number, p in enumerate(programs[1:], 1):
            while len(bench.accepted) < number * per_frame:
                await ctx.tick()
            await bench.load(ctx, p)
            bench.loaded = number
    bench.run([beat for codes in frames for beat in beats_of(programs[0], codes)], len(expected),
              reload=reload, hold=lambda number: number // per_frame > bench.loaded)
    bench.check_beats(expected)


def test_a_bank_is_in_use_up_to_the_last_code_of_its_frame():
    """New weights that wait for a bank do not reach the results that are still on their way."""
    programs = [make_program(
        transposed(1, 1, 1, 1, 0), size=(2, 3), loadable=True, quantisation={"activation": "tanh"},
        tensors={"weight": np.ones((1, 1, 1, 1), int), "bias": np.zeros(1, int),
                 "weight_scale": np.float32(1), "pre_zero_point": 0, "pre_scale": np.float32(0.5),
                 "output_scale": np.float32(scale)}) for scale in (0.125, 0.25, 0.0625)]
    frame, bench = np.array([[[9, 8, 7], [3, 2, 1]]]), Bench(programs[0])
    beats = beats_of(programs[0], frame)

    async def reload(ctx):
        while not bench.accepted:
            await ctx.tick()
        await bench.load(ctx, programs[1])
        bench.loaded = 1
        await bench.load(ctx, programs[2])  # into the bank of the frame, as soon as it is free
        bench.loaded = 2

    async def done(ctx):
        while bench.loaded < 2:
            await ctx.tick()
    bench.run(beats, len(beats), reload=reload, after=done,
              hold=lambda number: number == len(beats) - 1 and not bench.loaded)
    bench.check_values([frame])


def test_lowest_sum():
    """Where the lowest sum is minus a power of two, its magnitude takes one bit more."""
    layer = transposed(1, 1, 1, 1, 0)
    p = make_program(layer, size=(2, 2), quantisation={"output_zero_point": 200}, tensors={
        "weight": np.full(layer.weight_shape, -1), "bias": np.array([-1]),
        "weight_scale": np.float32(1 / 16), "output_scale": np.float32(0.5)})
    frames = [np.array([[[255, 254], [0, 1]]])]
    bench = Bench(p)
    bench.run(beats_of(p, frames[0]), 4)
    bench.check_values(frames)


@pytest.mark.parametrize("layer, size", (
    (convolution(1, 1, 9, 4), (1, 6)), (convolution(1, 1, 9, 4), (6, 1)),
    (transposed(1, 1, 1, 1, 0, dilation=3, output_padding=2), (3, 4))))
def test_taps_that_lie_far_beyond_the_frame(layer, size):
    check(make_program(layer, size=size), seed=4)
