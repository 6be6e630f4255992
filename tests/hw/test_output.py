"""The output side: beats in raster order, gathered where several pixels are worked on at once."""

import random

import pytest
from bench_helpers import STALLS, keeps_protocol, plain, simulate
from sample_programs import program

from golden.quantisation import dtype_range
from hw.engine.beat_queue import BeatQueue
from hw.engine.layouts import Layouts
from hw.engine.output import Output


def random_blocks(p, rng, count):
    """Blocks of groups (one group for each column phase where pixels are gathered)."""
    lanes, layouts = p.folding.po * p.folding.px, Layouts(p)
    size = p.phases[1] if p.folding.px > 1 else 1
    blocks = []
    for _ in range(count):
        beats = rng.randint(1, size)
        block = []
        for q in range(size):
            tag = {name: rng.getrandbits(field.width) for name, field in layouts.tag}
            tag["beat"] = int(q < beats) if p.folding.px > 1 else tag["beat"]
            block.append(([rng.getrandbits(p.quantisation.output_bits) for _ in range(lanes)],
                          tag))
        blocks.append(block)
    return blocks


def beats_of(p, block):
    """Pixel n of lane and phase q is pixel S * n + q of the block; codes fill their lanes."""
    low, high = dtype_range(p.quantisation.output_dtype)
    lane = p.output_beat_bits // (p.folding.po * p.folding.px)
    po, px, size = p.folding.po, p.folding.px, len(block)
    pixels = {size * n + q: codes[n * po:(n + 1) * po]
              for q, (codes, _) in enumerate(block) for n in range(px)}
    found = []
    for beat, (_, tag) in enumerate(block):
        lanes = sum((pixels[n] for n in range(beat * px, (beat + 1) * px)), [])
        if tag["beat"]:
            data = sum(((code - low & high - low) + low & (1 << lane) - 1) << lane * n
                       for n, code in enumerate(lanes))
            found.append((data, tag["first"], tag["last"], tag["end"]))
    return found


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("name", ("plain", "folded", "three pixels", "two pixels", "dense pixels",
                                  "wide", "narrow"))
def test_beats(name, stall):
    p, depth = program(name), 16
    dut, rng = Output(p, depth=depth), random.Random(f"{name} {stall}")
    blocks = random_blocks(p, rng, 60)
    expected = [beat for block in blocks for beat in beats_of(p, block)]
    received, sent, cycles = [], [], []
    inside = 0

    async def put(ctx):
        nonlocal inside
        cycle = 0
        for block in blocks:
            beats = len(beats_of(p, block))
            while inside + beats > depth:
                await ctx.tick()
                cycle += 1
            inside += beats
            for codes, tag in block:
                while stall in ("input", "both") and rng.random() < 0.5:
                    ctx.set(dut.i_valid, 0)
                    ctx.set(dut.codes, [rng.getrandbits(4) for _ in codes])
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.i_valid, 1)
                ctx.set(dut.codes, codes)
                ctx.set(dut.tag, tag)
                sent.append(cycle)
                await ctx.tick()
                cycle += 1
            ctx.set(dut.i_valid, 0)

    async def get(ctx):
        nonlocal inside
        cycle, taken = 0, (0, 0)
        while len(received) < len(expected):
            ready = stall in ("none", "input") or rng.random() < 0.6
            ctx.set(dut.o.ready, ready)
            _, _, valid, beat, departure, end = await ctx.tick().sample(
                dut.o.valid, dut.o.payload, dut.departure, dut.end_of_frame)
            assert (departure, end) == taken
            taken = (0, 0)
            if valid and ready:
                beat = plain(beat)
                taken = (1, expected[len(received)][3])
                received.append((beat["data"], beat["first"], beat["last"], taken[1]))
                cycles.append(cycle)
                inside -= 1
            cycle += 1
    simulate(dut, put, get, background=(keeps_protocol(dut.o),))
    assert received == expected
    if stall == "none":
        # with a group in each cycle, from its codes to its beat
        made = [cycle for cycle, (_, tag) in zip(sent, (g for b in blocks for g in b))
                if tag["beat"]]
        latencies = {out - cycle for out, cycle in zip(cycles, made)}
        assert max(latencies) <= Output.latency(p)
        assert p.folding.px > 1 or latencies == {BeatQueue.LATENCY}


def test_latency_of_a_block():
    """The first of S beats is offered 2 cycles and the latency of the queue after its block."""
    p = program("three pixels")
    dut = Output(p, depth=8)
    block = random_blocks(p, random.Random(0), 1)[0]
    valid = []

    async def testbench(ctx):
        ctx.set(dut.o.ready, 1)
        for codes, tag in block:
            ctx.set(dut.i_valid, 1)
            ctx.set(dut.codes, codes)
            ctx.set(dut.tag, {**tag, "beat": 1})
            _, _, seen = await ctx.tick().sample(dut.o.valid)
            valid.append(seen)
        ctx.set(dut.i_valid, 0)
        for _ in range(14):
            _, _, seen = await ctx.tick().sample(dut.o.valid)
            valid.append(seen)
    simulate(dut, testbench)
    last = len(block) - 1
    assert [cycle for cycle, seen in enumerate(valid) if seen] == [
        last + 2 + BeatQueue.LATENCY, last + 3 + BeatQueue.LATENCY]
