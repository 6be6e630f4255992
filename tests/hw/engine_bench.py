"""An engine in the simulator: frames as beats, a host, and what must come out, and when."""

import random

import numpy as np
from bench_helpers import keeps_protocol, plain, simulate

from golden.model import forward
from golden.quantisation import dtype_range
from golden.timing import EngineParameters
from golden.timing import simulate as predict
from hw.engine.engine import Engine
from hw.engine.loader import weight_beats
from hw.engine.registers import REGISTERS


def specification(p):
    return {**p.layer.describe(), **p.quantisation.describe()}


def random_frames(p, rng, sizes, density=0.3):
    """Frames of random codes; where zeros are skipped there are zeros."""
    low, high = dtype_range(p.quantisation.dtype)
    frames = [rng.integers(low, high + 1, (p.layer.in_channels, *size)) for size in sizes]
    return [np.where(rng.random(frame.shape) < (density if p.skip_zeros else 1), frame,
                     p.quantisation.input_zero_point) for frame in frames]


def beats_of(p, codes):
    """A frame as beats: pixels in raster order, the channels of each beat in its lanes."""
    beats, bits = [], p.input_beat_bits // p.layout.input_lanes
    for y, x in np.ndindex(*codes.shape[1:]):
        for n, channels in enumerate(p.layout.input_channels):
            data = sum((int(codes[c, y, x]) & (1 << bits) - 1) << bits * lane
                       for lane, c in enumerate(channels) if c >= 0)
            beats.append({"data": data, "first": int((y, x, n) == (0, 0, 0)),
                          "last": int((x, n) == (codes.shape[2] - 1, p.layout.input_beats - 1))})
    return beats


def expected_beats(p, codes):
    """{lane: code} of each beat of the output frame, and its start and end marks."""
    output = forward(specification(p), p.tensors, codes)
    _, height, width = output.shape
    px, po, found = p.folding.px, p.folding.po, []
    mask = (1 << p.output_beat_bits // (px * po)) - 1
    for y in range(height):
        for x in range(0, width, px):
            for n, channels in enumerate(p.layout.output_channels):
                lanes = {lane * po + o: int(output[c, y, x + lane]) & mask
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
        await ctx.tick()    # the first load of all takes a cycle more

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
            bits = self.p.output_beat_bits // (self.p.folding.px * self.p.folding.po)
            codes = {lane: beat["data"] >> bits * lane & (1 << bits) - 1 for lane in lanes}
            assert codes == lanes

    def check_cycles(self, frames, gaps, ready):
        p = self.p
        engine = EngineParameters(pi=p.folding.pi, po=p.folding.po, px=p.folding.px,
                                  requantisers=p.requantisers, magnitude_bits=p.magnitude_bits,
                                  max_height=p.height, skip_zeros=p.skip_zeros, pruned=p.pruned,
                                  pack=p.pack, serial_requant=p.serial_requant,
                                  turn_interval=p.turn_interval)
        timing = predict(specification(p), engine, list(frames) if p.skip_zeros else
                         [codes.shape[1:] for codes in frames], weight=p.tensors["weight"],
                         gaps=gaps, ready=ready)
        assert self.accepted == timing.accepted.tolist()
        assert self.emitted == timing.emitted.tolist()
