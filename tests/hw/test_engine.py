"""The engine: values by `golden.model`, and the cycle of every handshake by `golden.timing`."""

import random

import numpy as np
import pytest
from bench_helpers import STALLS, keeps_protocol, make_program, plain, program, simulate, transposed

from golden.model import forward
from golden.timing import EngineParameters
from golden.timing import simulate as predict
from hw.engine.engine import Engine
from hw.engine.loader import weight_beats
from hw.engine.registers import REGISTERS, STATUS_ERRORS


def specification(p):
    return {**p.layer.describe(), **p.quantisation.describe()}


def random_frames(p, rng, sizes, density=0.3):
    """Frames of random codes; where zeros are skipped there are zeros."""
    low, high = (0, 255) if p.quantisation.dtype == "uint8" else (-128, 127)
    frames = [rng.integers(low, high + 1, (p.layer.in_channels, *size)) for size in sizes]
    return [np.where(rng.random(frame.shape) < (density if p.skip_zeros else 1), frame,
                     p.quantisation.input_zero_point) for frame in frames]


def beats_of(p, codes):
    """A frame as beats: pixels in raster order, the channels of each beat in its lanes."""
    beats = []
    for y, x in np.ndindex(*codes.shape[1:]):
        for n, channels in enumerate(p.layout.input_channels):
            data = sum((int(codes[c, y, x]) & 0xFF) << 8 * lane
                       for lane, c in enumerate(channels) if c >= 0)
            beats.append({"data": data, "first": int((y, x, n) == (0, 0, 0)),
                          "last": int((x, n) == (codes.shape[2] - 1, p.layout.input_beats - 1))})
    return beats


def expected_beats(p, codes):
    """{lane: code} of each beat of the output frame, and its start and end marks."""
    output = forward(specification(p), p.tensors, codes)
    _, height, width = output.shape
    px, po, found = p.folding.px, p.folding.po, []
    for y in range(height):
        for x in range(0, width, px):
            for n, channels in enumerate(p.layout.output_channels):
                lanes = {lane * po + o: int(output[c, y, x + lane]) & 0xFF
                         for lane in range(min(px, width - x))
                         for o, c in enumerate(channels) if c >= 0}
                found.append((lanes, int((y, x, n) == (0, 0, 0)),
                              int(x + px >= width and n == p.layout.output_beats - 1)))
    return found


class Bench:
    """An engine with its input, its output, and what a host does before the first beat."""

    def __init__(self, p):
        self.p, self.dut = p, Engine(p, version=(0, 1, 0), digest=0)
        self.received, self.accepted, self.emitted = [], [], []
        self._prepared, self.loaded = False, 0

    async def write(self, ctx, name, value):
        bus = self.dut.bus
        for port, data in (("awaddr", REGISTERS[name][0]), ("wdata", value), ("wstrb", 0b1111),
                           ("awvalid", 1), ("wvalid", 1), ("bready", 1)):
            ctx.set(getattr(bus, port), data)
        await ctx.tick().until(bus.awready & bus.wready)
        ctx.set(bus.awvalid, 0)
        ctx.set(bus.wvalid, 0)
        await ctx.tick().until(bus.bvalid)

    async def read(self, ctx, name):
        bus = self.dut.bus
        for port, data in (("araddr", REGISTERS[name][0]), ("arvalid", 1), ("rready", 1)):
            ctx.set(getattr(bus, port), data)
        await ctx.tick().until(bus.arready)
        ctx.set(bus.arvalid, 0)
        data, = await ctx.tick().sample(bus.rdata).until(bus.rvalid)
        return data

    async def load(self, ctx, p):
        beats, i = weight_beats(p), self.dut.i_weights
        ctx.set(i.valid, 1)
        for n, beat in enumerate(beats):
            ctx.set(i.payload, {"data": beat, "last": n == len(beats) - 1})
            await ctx.tick().until(i.ready)
        ctx.set(i.valid, 0)

    async def prepared(self, ctx):
        while not self._prepared:
            await ctx.tick()

    def run(self, beats, expect, *, gaps=None, ready=(True,), size=None, after=None,
            reload=None, hold=lambda number: False):
        """Cycles count from the end of the preparation; `hold` tells which beats have to wait."""
        dut = self.dut

        async def prepare(ctx):
            if self.p.loadable:
                await self.load(ctx, self.p)
            for name, value in zip(("height", "width"), size or ()):
                await self.write(ctx, name, value)
            self._prepared = True

        async def put(ctx):
            await self.prepared(ctx)
            cycle, rng = 0, random.Random(0)
            for number, beat in enumerate(beats):
                gap = gaps[number] if gaps is not None else 0
                while gap or hold(number):
                    gap = max(0, gap - 1)
                    ctx.set(dut.i.valid, 0)
                    ctx.set(dut.i.payload, {name: rng.getrandbits(1) for name in beat})
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.payload, beat)
                taken = 0
                while not taken:
                    _, _, taken = await ctx.tick().sample(dut.i.ready)
                    cycle += 1
                self.accepted.append(cycle - 1)
            ctx.set(dut.i.valid, 0)

        async def get(ctx):
            await self.prepared(ctx)
            cycle = 0
            while len(self.received) < expect:
                now = ready[cycle % len(ready)]
                ctx.set(dut.o.ready, now)
                _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                if valid and now:
                    self.received.append(plain(payload))
                    self.emitted.append(cycle)
                cycle += 1
            if after:
                await after(ctx)

        simulate(dut, prepare, put, get, background=(keeps_protocol(dut.o),
                                                     *([reload] if reload else [])))

    def check_values(self, frames):
        self.check_beats([beat for codes in frames for beat in expected_beats(self.p, codes)])

    def check_beats(self, expected):
        for beat, (lanes, first, last) in zip(self.received, expected, strict=True):
            assert (beat["first"], beat["last"]) == (first, last)
            assert {lane: beat["data"] >> 8 * lane & 0xFF for lane in lanes} == lanes

    def check_cycles(self, frames, gaps, ready):
        p = self.p
        engine = EngineParameters(pi=p.folding.pi, po=p.folding.po, px=p.folding.px,
                                  requantisers=p.requantisers, magnitude_bits=p.magnitude_bits,
                                  max_height=p.height, skip_zeros=p.skip_zeros, pruned=p.pruned)
        timing = predict(specification(p), engine, list(frames) if p.skip_zeros else
                         [codes.shape[1:] for codes in frames], weight=p.tensors["weight"],
                         gaps=gaps, ready=ready)
        assert self.accepted == timing.accepted.tolist()
        assert self.emitted == timing.emitted.tolist()


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
                                  "int8", "compact", "tanh", "loadable"))
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
